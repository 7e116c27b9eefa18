"""How far each project's events have been forwarded to another collector.

    forward      project, collector's address; ``seq`` of the last event that it has; who forwards, until when

The events themselves are the outbox: they lie in the order of their arrival, and none is ever changed.
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_24_forward"
down_revision = "2026_11_23_moved"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "forward",
        sa.Column("project_id", sa.BigInteger, primary_key=True),
        sa.Column("collector", sa.Text, primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
    )
