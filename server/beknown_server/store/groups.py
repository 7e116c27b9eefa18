"""Groups: companies, teams and the like, and what was set on them (posthog-server §2.9). Never merged, never anybody.

Rules:
- An event names groups by type and key: those that it belongs to (``$groups``), and one that it describes
  (``$groupidentify``), whose properties it sets; per name the latest value counts.
- Each group is written once per transaction, in one order everywhere.
- A project has MOST_TYPES types, the first that came; events of further ones are stored, but make no group, and
  that is said.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import orjson

from ..identity import SET, Write, winners
from .records import Event, Group, KeptGroup
from .writer import Connection

MOST_TYPES = 5  # as upstream


def learn(db: Connection, project_id: int, events: Iterable[tuple[bytes, Event]]) -> set[str]:
    """Store what these events, by their places (order.py), say about groups; give what types were too many."""
    said = [_said(group, event.timestamp, place) for place, event in events for group in event.groups]
    return keep(db, project_id, said)


def _said(group: Group, at: int, place: bytes) -> KeptGroup:
    written = [Write(SET, name, value, at, place) for name, value in group.properties.items()]
    return KeptGroup(group.type, group.key, at, at, written)


def keep(db: Connection, project_id: int, groups: Sequence[KeptGroup]) -> set[str]:
    """Store groups, as far as the project has room for their types; give the types for which it has none."""
    if not groups:
        return set()
    types = {row["type"] for row in db.all("grouping.types", project_id=project_id)}
    told: dict[tuple[str, str], list[KeptGroup]] = defaultdict(list)
    for group in groups:
        if group.type in types or len(types) < MOST_TYPES:
            types.add(group.type)
            told[group.type, group.key].append(group)
    seen, written = [], []
    for (type, key), same in sorted(told.items()):
        place = {"project_id": project_id, "type": type, "key": key}
        times = {"first_seen": min(one.first_seen for one in same), "last_seen": max(one.last_seen for one in same)}
        seen.append(place | times)
        for name, write in winners(write for one in same for write in one.written).items():
            value = orjson.dumps(write.value).decode()
            written.append(place | {"name": name, "value": value, "at": write.at, "uuid": write.uuid})
    db.many("grouping.seen", seen)
    db.many("group_property.write", written)
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
