"""Groups: companies, teams and the like, and what was set on them (posthog-server §2.9). Never merged, never anybody.

Rules:
- ``$groupidentify`` names a group by type and key and sets properties of it; per name the latest value counts.
- A project has MOST_TYPES types, the first that came; events of further ones are stored, but make no group, and
  that is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import orjson

from ..identity import SET, Write
from .records import Event, Group, KeptGroup
from .writer import Connection

MOST_TYPES = 5  # as upstream


def learn(db: Connection, project_id: int, events: Iterable[tuple[bytes, Event]]) -> set[str]:
    """Store what these events, by their places (order.py), say about groups; give what types were too many."""
    return keep(db, project_id, [_said(event.group, event.timestamp, place) for place, event in events if event.group])


def _said(group: Group, at: int, place: bytes) -> KeptGroup:
    written = [Write(SET, name, value, at, place) for name, value in group.properties.items()]
    return KeptGroup(group.type, group.key, at, at, written)


def keep(db: Connection, project_id: int, groups: Sequence[KeptGroup]) -> set[str]:
    """Store groups, as far as the project has room for their types; give the types for which it has none."""
    if not groups:
        return set()
    types = {row["type"] for row in db.all("grouping.types", project_id=project_id)}
    for group in groups:
        if group.type not in types and len(types) >= MOST_TYPES:
            continue
        types.add(group.type)
        key = {"project_id": project_id, "type": group.type, "key": group.key}
        # One by one: an upsert of many may name a row only once.
        db.many("grouping.seen", [{**key, "first_seen": group.first_seen, "last_seen": group.last_seen}])
        for write in group.written:
            row = {"name": write.key, "value": orjson.dumps(write.value).decode(), "at": write.at, "uuid": write.uuid}
            db.many("group_property.write", [{**key, **row}])
    return {group.type for group in groups} - types


def kept(db: Connection, project_id: int, **which: Any) -> list[KeptGroup]:
    """Give groups with what was set on them, the latest seen first; ``which``: as in ``Groups.known``."""
    return [
        KeptGroup(row["type"], row["key"], row["first_seen"], row["last_seen"], _written(db, project_id, row))
        for row in db.all("grouping.list", project_id=project_id, **which)
    ]


def _written(db: Connection, project_id: int, group: Any) -> list[Write]:
    rows = db.all("group_property.of", project_id=project_id, type=group["type"], key=group["key"])
    return [Write(SET, row["name"], orjson.loads(row["value"]), row["at"], bytes(row["uuid"])) for row in rows]


class Groups:
    """Reads groups."""

    def __init__(self, reader: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._reader = reader

    def known(
        self, project_id: int, *, type: str | None = None, key: str | None = None, limit: int = 100
    ) -> list[Group]:
        """Give groups with their properties, the latest seen first; of one type, or the one with this key."""
        with self._reader() as db:
            found = kept(db, project_id, type=type, key=key, limit=limit)
        return [
            Group(one.type, one.key, {write.key: write.value for write in one.written}, one.first_seen, one.last_seen)
            for one in found
        ]
