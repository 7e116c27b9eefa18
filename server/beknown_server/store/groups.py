"""Groups: companies, teams and the like, and what was set on them (posthog-server §2.9). Never merged, never anybody.

Rules:
- ``$groupidentify`` names a group by type and key and sets properties of it; per name the latest value counts.
- A project has MOST_TYPES types, the first that came; events of further ones are stored, but make no group.
"""

from __future__ import annotations

from collections.abc import Iterable
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


def groups(db: Connection, project_id: int, type: str | None, key: str | None, *, limit: int) -> list[Group]:
    """Give groups with their properties, the latest seen first; of one type, or one of it by its key."""
    found = []
    for row in db.all("grouping.list", project_id=project_id, type=type, key=key, limit=limit):
        properties: dict[str, Any] = {
            one["name"]: orjson.loads(one["value"])
            for one in db.all("group_property.of", project_id=project_id, type=row["type"], key=row["key"])
        }
        found.append(Group(row["type"], row["key"], properties, row["first_seen"], row["last_seen"]))
    return found
