"""The log of changed ids also says which ids turned out to have been seen earlier.

    moved        a row, too, for each time that an event or a claim arrives which happened before an id's first

The columnar copy holds since when each id is known, so that who is new stays right where old events were taken out.
"""

from alembic import op

revision = "2026_11_29_since"
down_revision = "2026_11_29_micros"

INSERT = "insert into moved (project_id, distinct_id) values (old.project_id, old.id);"
EARLIER = "new.first_seen < old.first_seen"


def upgrade() -> None:
    """Make the trigger anew; nothing is written anew."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("drop trigger moved_changed")
        op.execute(
            "create trigger moved_changed after update of person, personal, first_seen on distinct_id "
            f"when old.person is not new.person or old.personal <> new.personal or {EARLIER} begin {INSERT} end"
        )
        return
    op.execute("drop trigger moved_changed on distinct_id")
    op.execute(
        "create trigger moved_changed after update of person, personal, first_seen on distinct_id for each row "
        f"when (old.person is distinct from new.person or old.personal <> new.personal or {EARLIER}) "
        "execute function moved_note()"
    )
