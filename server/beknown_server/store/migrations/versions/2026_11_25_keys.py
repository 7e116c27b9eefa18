"""Write keys that were replaced, and who does what only one process may do.

former_key   a project's earlier write key, and until when it still sends
task         name of the task; who does it, until when
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_25_keys"
down_revision = "2026_11_25_corrections"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "former_key",
        sa.Column("write_key", sa.Text, primary_key=True),
        sa.Column("project_id", sa.BigInteger, sa.ForeignKey("project.id"), nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "task",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
    )
