"""Groups: companies, teams and the like, and what was set on them (posthog-server §2.9). Never merged, never anybody.

Rules:
- ``$groupidentify`` names a group by type and key and sets properties of it; per name the latest value counts.
- A project has MOST_TYPES types, the first that came; events of further ones are stored, but make no group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

import orjson

from .records import Event, Group
from .writer import Connection

MOST_TYPES = 5  # as upstream


def learn(db: Connection, project_id: int, events: Iterable[tuple[bytes, Event]]) -> None:
    """Store what these events say about groups, if any does."""
    said = [(uuid, event, event.group) for uuid, event in events if event.group]
    if not said:
        return
    types = {row["type"] for row in db.all("grouping.types", project_id=project_id)}
    seen, properties = [], []
    for uuid, event, group in said:
        if group.type not in types and len(types) >= MOST_TYPES:
            continue
        types.add(group.type)
        key = {"project_id": project_id, "type": group.type, "key": group.key}
        seen.append({**key, "at": event.timestamp})
        for name, value in group.properties.items():
            properties.append(
                {**key, "name": name, "value": orjson.dumps(value).decode(), "at": event.timestamp, "uuid": uuid}
            )
    for row in seen:  # one by one: an upsert of many may name a row only once
        db.many("grouping.seen", [row])
    for row in properties:
        db.many("group_property.write", [row])


class Groups:
    """Reads groups."""

    def __init__(self, reader: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._reader = reader

    def known(
        self, project_id: int, *, type: str | None = None, key: str | None = None, limit: int = 100
    ) -> list[Group]:
        """Give groups with their properties, the latest seen first; of one type, or the one with this key."""
        with self._reader() as db:
            rows = db.all("grouping.list", project_id=project_id, type=type, key=key, limit=limit)
            return [
                Group(row["type"], row["key"], _properties(db, project_id, row), row["first_seen"], row["last_seen"])
                for row in rows
            ]


def _properties(db: Connection, project_id: int, group: Any) -> dict[str, Any]:
    rows = db.all("group_property.of", project_id=project_id, type=group["type"], key=group["key"])
    return {row["name"]: orjson.loads(row["value"]) for row in rows}
