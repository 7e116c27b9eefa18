"""The first schema.

    project      a site, its write key          secret_key   what opens it, hashed
    event        what happened, under the id it came with; never changed, never tied to a person
    distinct_id  every id ever seen; ``person`` is its cluster (a person's row), null while it is alone
    person       a cluster of ids; its number is that of one of its ids
    fact         what was said about two ids, and the rule that decided
    property     what was written about an id, per key
    warning      what was refused or mended, counted
    site         one row: what signs the sessions

Times are whole milliseconds; uuids 16 bytes; truth 0 or 1. Events, ids and facts are numbered as they arrive.
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_23_first"
down_revision = None

Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # only INTEGER is numbered by SQLite itself


def upgrade() -> None:
    """Make the tables."""
    _make_projects()
    _make_events()
    _make_identity()
    _make_warnings()


def _make_projects() -> None:
    op.create_table(
        "project",
        sa.Column("id", Number, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("write_key", sa.Text, nullable=False, unique=True),
        sa.Column("options", sa.Text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "secret_key",
        sa.Column("hash", sa.LargeBinary, primary_key=True),
        sa.Column("project_id", Number, sa.ForeignKey("project.id"), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger),
    )
    op.create_table("site", sa.Column("id", Number, primary_key=True), sa.Column("secret", sa.Text, nullable=False))


def _make_events() -> None:
    op.create_table(
        "distinct_id",
        sa.Column("id", Number, primary_key=True),
        sa.Column("project_id", Number, sa.ForeignKey("project.id"), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("uuid", sa.LargeBinary, nullable=False),  # the person's id if this one survives
        sa.Column("person", Number),
        sa.Column("first_seen", sa.BigInteger, nullable=False),
        sa.Column("last_seen", sa.BigInteger, nullable=False),
        sa.Column("event_count", sa.BigInteger, nullable=False),
        sa.Column("personal", sa.SmallInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("distinct_id#project_id#name", "distinct_id", ["project_id", "name"], unique=True)
    op.create_index("distinct_id#project_id#last_seen", "distinct_id", ["project_id", "last_seen"])
    op.create_index("distinct_id#uuid", "distinct_id", ["uuid"])
    op.create_index("distinct_id#person", "distinct_id", ["person"])
    op.create_table(
        "event",
        sa.Column("seq", Number, primary_key=True),
        sa.Column("project_id", Number, sa.ForeignKey("project.id"), nullable=False),
        sa.Column("uuid", sa.LargeBinary, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("distinct_id", Number, sa.ForeignKey("distinct_id.id"), nullable=False),
        sa.Column("timestamp", sa.BigInteger, nullable=False),
        sa.Column("received", sa.BigInteger, nullable=False),
        sa.Column("session_id", sa.Text),
        sa.Column("properties", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("event#project_id#uuid", "event", ["project_id", "uuid"], unique=True)
    op.create_index("event#project_id#seq", "event", ["project_id", "seq"])
    op.create_index("event#project_id#timestamp", "event", ["project_id", "timestamp"])
    op.create_index("event#distinct_id#seq", "event", ["distinct_id", "seq"])


def _make_identity() -> None:
    op.create_table(
        "person",
        sa.Column("id", Number, primary_key=True, autoincrement=False),
        sa.Column("survivor", Number, nullable=False),
        sa.Column("identified", sa.SmallInteger, nullable=False),
        sa.Column("size", Number, nullable=False),
        sa.Column("latest_at", sa.BigInteger, nullable=False),
        sa.Column("latest_uuid", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "fact",
        sa.Column("id", Number, primary_key=True),
        sa.Column("project_id", Number, sa.ForeignKey("project.id"), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("x", Number, nullable=False),
        sa.Column("y", Number, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("uuid", sa.LargeBinary, nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("final", sa.SmallInteger, nullable=False),  # refused for good: no replay asks for it
        sa.Column("withdrawn", sa.BigInteger),
        sqlite_autoincrement=True,
    )
    op.create_index("fact#x", "fact", ["x"])
    op.create_index("fact#y", "fact", ["y"])
    op.create_index("fact#project_id#uuid", "fact", ["project_id", "uuid"], unique=True)
    op.create_table(
        "property",
        sa.Column("distinct_id", Number, sa.ForeignKey("distinct_id.id"), primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("value", sa.Text),  # JSON; null: unset
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("uuid", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )


def _make_warnings() -> None:
    op.create_table(
        "warning",
        sa.Column("project_id", Number, primary_key=True),  # 0: nobody's, such as an unknown key
        sa.Column("code", sa.Text, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("example", sa.Text, nullable=False),
        sa.Column("fix", sa.Text, nullable=False),
        sa.Column("first_seen", sa.BigInteger, nullable=False),
        sa.Column("last_seen", sa.BigInteger, nullable=False),
    )
