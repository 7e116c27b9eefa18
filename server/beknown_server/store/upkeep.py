"""What is done beside the events' coming and being read: backups, and taking out what has grown old.

Rules:
- What is old is taken out a few at a time, so that those who send never wait for long.
- What is to be forwarded goes when that has been done, however long it takes.
- Only events go. The ids, and what was said about them, stay: who is who does not change because a past is forgotten.
- A task that one process does for all is held by it until a time, and by the next one after that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from .writer import Connection, Writer


class Upkeep:
    """An operator's chores."""

    def __init__(self, writer: Writer, backup: Callable[[Path, Callable[[float], None]], None]) -> None:
        self._writer = writer
        self._backup = backup

    def backup(self, path: Path, told: Callable[[float], None] = lambda share: None) -> None:
        """Copy the database, as it is at one moment, to a new file, while others write. ``told`` how much is done.

        Raises Misconfigured where that is another program's task, or where the file cannot be written.
        """
        self._backup(path, told)

    def erase_before(self, project_id: int, before: int, *, limit: int, collector: str = "") -> int:
        """Take out at most ``limit`` events from before a time (ms); give how many that were.

        With a ``collector`` that events are forwarded to, only what it has.
        """
        return self._writer.run(
            lambda db: erase(db, project_id, before=before, limit=limit, collector=collector), order=project_id
        )

    def take_task(self, name: str, *, holder: str, now: int, until: int) -> bool:
        """Take or keep a task that one process does for all, until a time (ms); False if another one has it."""
        return self._writer.run(lambda db: take_task(db, name, holder=holder, now=now, until=until))


def erase(db: Connection, project_id: int, *, before: int, limit: int, collector: str) -> int:
    """Take out at most ``limit`` events from before a time (ms), all of which ``collector``, if any, has."""
    db.lock(project_id)
    rows = db.all("event.expired", project_id=project_id, before=before, limit=limit, collector=collector or None)
    fewer = Counter(row["distinct_id"] for row in rows)
    db.many("event.erase", [{"seq": row["seq"]} for row in rows])
    db.many("distinct_id.fewer", [{"id": id, "count": fewer[id]} for id in sorted(fewer)])
    return len(rows)


def take_task(db: Connection, name: str, *, holder: str, now: int, until: int) -> bool:
    """Take or keep a task until a time (ms); False if somebody else holds it."""
    db.many("task.take", [{"name": name, "holder": holder, "now": now, "until": until}])
    return bool(db.all("task.held", name=name, holder=holder))
