"""What an operator corrects and forgets, and what is known of groups.

    forgotten        ids that were deleted: SHA-256 of the id, and when; what happened before stays deleted
    grouping         every group that an event has named
    group_property   what was set on a group, per name: the latest counts

An id that was deleted is not kept, only what recognises it when it comes again.
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_25_corrections"
down_revision = "2026_11_24_forward"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "forgotten",
        sa.Column("project_id", sa.BigInteger, primary_key=True),
        sa.Column("hash", sa.LargeBinary, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "grouping",
        sa.Column("project_id", sa.BigInteger, primary_key=True),
        sa.Column("type", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("first_seen", sa.BigInteger, nullable=False),
        sa.Column("last_seen", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "group_property",
        sa.Column("project_id", sa.BigInteger, primary_key=True),
        sa.Column("type", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),  # JSON
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("uuid", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
