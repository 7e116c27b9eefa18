"""Events as they are stored, in the order in which they arrived."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from ..bags import kept_id
from . import people
from .records import Row
from .writer import Connection

NO_ROW = -1  # rows are numbered from 1


def recent(
    db: Connection,
    project_id: int,
    *,
    limit: int,
    most_bytes: int | None = None,
    before: int | None = None,
    after: int | None = None,
    event: str | None = None,
    distinct_id: str | None = None,
    person_id: str | None = None,
    uuids: Sequence[str] | None = None,
) -> list[Row]:
    """Give events ``before`` a ``seq``, newest first; or ``after`` one, oldest first; of a name (``event``), an id, a
    person, or with these ``uuids``. ``most_bytes``: an event that has so many bytes of properties before it is left for
    the next question.
    """
    asked: dict[str, Any] = {"before": before, "after": after, "event": event}
    if uuids is not None:
        asked["uuids"] = [UUID(one).bytes for one in uuids]
    asked["newest" if after is None else "oldest"] = True
    if most_bytes is not None:
        fit = db.all("event.fits", project_id=project_id, limit=limit, most_bytes=most_bytes, **asked)
        limit = fit[0]["count"]
    if distinct_id is not None:
        numbers = db.all("distinct_id.numbers", project_id=project_id, names=[kept_id(distinct_id)])
        asked["id"] = numbers[0]["id"] if numbers else NO_ROW
    if person_id is not None:
        key = people.find(db, project_id, person_id)
        asked["person"] = NO_ROW if key is None else key
    rows = db.all("event.recent", project_id=project_id, limit=limit, **asked)
    persons = people.refs(db, [row["person"] for row in rows])
    return [Row.read(row, persons[row["person"]]) for row in rows]
