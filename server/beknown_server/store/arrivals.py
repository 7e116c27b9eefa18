"""Events on their way in: each once, and what follows from it, in one transaction.

Rules:
- Once per (project, uuid): the first one stored stays, the repeat changes nothing, not even a property.
- Facts and properties are taken from the events that were really inserted, and from no others.
- The project is locked first: two processes never decide on the same past, and ``seq`` grows as commits do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid5

import orjson

from ..identity import REFUSED, writes
from . import question
from .clusters import learn
from .records import Appended, Event
from .writer import Connection

PERSONS = UUID("5f6d9c4e-7f4b-4c1e-9a53-6265a06e6f77")  # the namespace of our persons' ids; never change it


def person_id(project_id: int, distinct_id: str) -> UUID:
    """Give the id of the person that a distinct id survives as: always the same one."""
    return uuid5(PERSONS, f"{project_id}:{distinct_id}")


def append(db: Connection, project_id: int, events: Sequence[Event], now: int) -> Appended:
    """Store the events that are new, with the facts and the properties that they bring."""
    db.lock(project_id)
    fresh = _fresh(db, project_id, events)
    numbers = _seen(db, project_id, fresh)
    db.many(
        "event.add",
        [
            {
                "project_id": project_id,
                "uuid": uuid,
                "event": event.event,
                "distinct_id": numbers[event.distinct_id],
                "timestamp": event.timestamp,
                "received": now,
                "session_id": event.session_id,
                "properties": orjson.dumps(event.properties).decode(),
            }
            for uuid, event in fresh.items()
        ],
    )
    refused = []
    for uuid, event in fresh.items():
        if event.claim:
            x, y = numbers[event.claim.x], numbers[event.claim.y]
            rule = learn(db, project_id, event.claim, x=x, y=y, at=event.timestamp, uuid=uuid)
            if rule in REFUSED:
                refused.append((rule, event.claim))
    db.many("property.write", [row for uuid, event in fresh.items() for row in _writes(event, uuid, numbers)])
    return Appended(len(fresh), len(events) - len(fresh), refused)


def _fresh(db: Connection, project_id: int, events: Sequence[Event]) -> dict[bytes, Event]:
    found: dict[bytes, Event] = {}
    for event in events:
        found.setdefault(UUID(event.uuid).bytes, event)
    for piece in question.pieces(list(found)):
        for row in db.all("event.known", project_id=project_id, uuids=piece):
            del found[bytes(row["uuid"])]
    return found


def _seen(db: Connection, project_id: int, fresh: dict[bytes, Event]) -> dict[str, int]:
    """Count the ids that the events name, and give the number of each."""
    seen: dict[str, dict[str, Any]] = {}

    def note(name: str, at: int, count: int, personal: bool) -> None:
        row = seen.get(name)
        if row is None:
            seen[name] = {
                "project_id": project_id,
                "name": name,
                "uuid": person_id(project_id, name).bytes,
                "first_seen": at,
                "last_seen": at,
                "event_count": count,
                "personal": int(personal),
            }
            return
        row["first_seen"], row["last_seen"] = min(row["first_seen"], at), max(row["last_seen"], at)
        row["event_count"] += count
        row["personal"] |= int(personal)

    for event in fresh.values():
        note(event.distinct_id, event.timestamp, 1, event.personal)
        if event.claim:
            for name in (event.claim.x, event.claim.y):
                note(name, event.timestamp, 0, event.claim.refused is None)
    # In one order everywhere, so that two processes that touch the same ids do not wait for each other.
    db.many("distinct_id.seen", [seen[name] for name in sorted(seen)])
    return {
        row["name"]: row["id"]
        for piece in question.pieces(list(seen))
        for row in db.all("distinct_id.numbers", project_id=project_id, names=piece)
    }


def _writes(event: Event, uuid: bytes, numbers: dict[str, int]) -> list[dict[str, Any]]:
    return [
        {
            "distinct_id": numbers[event.distinct_id],
            "key": write.key,
            "kind": write.kind,
            "value": None if write.unset else orjson.dumps(write.value).decode(),
            "at": write.at,
            "uuid": uuid,
        }
        for write in writes(event.set_, event.set_once, event.unset, at=event.timestamp, uuid=uuid)
    ]
