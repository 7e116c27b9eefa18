"""The log of ids that changed their person.

    moved        one row for each time that an id got another person, became personal, or was deleted

The columnar copy follows it: it never has to read a million ids again to learn of one merge. The rows are written
by triggers, so that whatever changes a person, an operator's statement too, is in it.
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_23_moved"
down_revision = "2026_11_23_first"

Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # only INTEGER is numbered by SQLite itself

INSERT = "insert into moved (project_id, distinct_id) values (old.project_id, old.id);"


def upgrade() -> None:
    """Make the table and what fills it."""
    op.create_table(
        "moved",
        sa.Column("id", Number, primary_key=True),
        sa.Column("project_id", Number, nullable=False),
        sa.Column("distinct_id", Number, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("moved#project_id#id", "moved", ["project_id", "id"])
    if op.get_bind().dialect.name == "sqlite":
        changed = "old.person is not new.person or old.personal <> new.personal"
        op.execute(
            "create trigger moved_changed after update of person, personal on distinct_id "
            f"when {changed} begin {INSERT} end"
        )
        op.execute(f"create trigger moved_deleted after delete on distinct_id begin {INSERT} end")
        return
    changed = "old.person is distinct from new.person or old.personal <> new.personal"
    op.execute(
        f"create function moved_note() returns trigger language plpgsql as $$ begin {INSERT} return null; end $$"
    )
    op.execute(
        "create trigger moved_changed after update of person, personal on distinct_id "
        f"for each row when ({changed}) execute function moved_note()"
    )
    op.execute("create trigger moved_deleted after delete on distinct_id for each row execute function moved_note()")
