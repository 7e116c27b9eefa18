"""The microseconds of an event's time, where its sender told them: they say which of two of a millisecond was later.

event.micros   0 to 999, or null
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_29_micros"
down_revision = "2026_11_25_keys"


def upgrade() -> None:
    """Add the column; nothing is written anew."""
    op.add_column("event", sa.Column("micros", sa.SmallInteger))
