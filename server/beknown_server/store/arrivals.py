"""Events on their way in: each once, and what follows from it, in one transaction.

Rules:
- Once per (project, uuid): the first one stored stays, the repeat changes nothing, not even a property.
- Facts and properties are taken from the events that were really inserted, and from no others.
- The project is locked first: two processes never decide on the same past, and ``seq`` grows as commits do.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from hashlib import sha1
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from ..identity import REFUSED, Write, writes
from . import forgetting, groups, layers, question
from .clusters import learn
from .order import order
from .records import Appended, Claim, Event, Group
from .writer import Connection

PERSONS = UUID("5f6d9c4e-7f4b-4c1e-9a53-6265a06e6f77").bytes  # the namespace of our persons' ids; never change it


def person_id(project_id: int, distinct_id: str) -> UUID:
    """Give the id of the person that a distinct id survives as: always the same one."""
    return UUID(bytes=person_bytes(project_id, distinct_id))


def person_bytes(project_id: int, distinct_id: str) -> bytes:
    """Give the 16 bytes of that id, which is a uuid5."""
    digest = bytearray(sha1(PERSONS + f"{project_id}:{distinct_id}".encode(), usedforsecurity=False).digest()[:16])
    digest[6], digest[8] = digest[6] & 0x0F | 0x50, digest[8] & 0x3F | 0x80  # uuid.uuid5 costs five times as much
    return bytes(digest)


class Batch(NamedTuple):
    """Events of one request, and when they came (ms)."""

    events: Sequence[Event]
    received: int


class Fresh(NamedTuple):
    """An event that is stored for the first time, and the batch that it came in."""

    event: Event
    batch: int


def append(db: Connection, project_id: int, batches: Sequence[Batch]) -> list[Appended]:
    """Store the events that are new, with the facts and the properties that they bring; say so batch by batch."""
    db.lock(project_id)
    fresh = _fresh(db, project_id, batches)
    gone = _without_forgotten(db, project_id, fresh)
    numbers = _seen(db, project_id, [one.event for one in fresh.values()])
    db.many(
        "event.add",
        [
            {
                "project_id": project_id,
                "uuid": uuid,
                "event": event.event,
                "distinct_id": numbers[event.distinct_id],
                "timestamp": event.timestamp,
                "micros": event.micros,
                "received": batches[batch].received,
                "session_id": event.session_id,
                "properties": event.text or orjson.dumps(event.properties).decode(),
            }
            for uuid, (event, batch) in fresh.items()
        ],
    )
    refused: dict[int, list[tuple[str, Claim]]] = defaultdict(list)
    for uuid, (event, batch) in fresh.items():
        if event.claim:
            x, y = numbers[event.claim.x], numbers[event.claim.y]
            rule = learn(db, project_id, event.claim, x=x, y=y, at=event.timestamp, uuid=uuid)
            if rule in REFUSED:
                refused[batch].append((rule, event.claim))
    _write_properties(db, fresh, numbers)
    about_groups = [(order(uuid, event.micros), event) for uuid, (event, _) in fresh.items() if event.groups]
    too_many = groups.learn(db, project_id, about_groups)
    ungrouped: dict[int, list[Group]] = defaultdict(list)
    for event, batch in fresh.values() if too_many else ():
        ungrouped[batch] += [group for group in event.groups if group.type in too_many]
    stored = Counter(one.batch for one in fresh.values())
    lost = [gone.intersection(event.uuid for event in batch.events) for batch in batches]
    return [
        Appended(stored[at], len(batch.events) - stored[at] - len(lost[at]), refused[at], lost[at], ungrouped[at])
        for at, batch in enumerate(batches)
    ]


def _without_forgotten(db: Connection, project_id: int, fresh: dict[bytes, Fresh]) -> frozenset[str]:
    """Take out what names somebody who was deleted since; give the uuids of those events."""
    gone = forgetting.remembered(db, project_id, [one.event for one in fresh.values()])
    for uuid in [uuid for uuid, one in fresh.items() if one.event.uuid in gone]:
        del fresh[uuid]
    return frozenset(gone)


def _fresh(db: Connection, project_id: int, batches: Sequence[Batch]) -> dict[bytes, Fresh]:
    found: dict[bytes, Fresh] = {}
    for number, batch in enumerate(batches):
        for event in batch.events:
            found.setdefault(bytes.fromhex(event.uuid.replace("-", "")), Fresh(event, number))
    for piece in question.pieces(list(found)):
        for row in db.all("event.known", project_id=project_id, uuids=piece):
            found.pop(bytes(row["uuid"]), None)
    return found


def _seen(db: Connection, project_id: int, fresh: Sequence[Event]) -> dict[str, int]:
    """Count the ids that the events name, and give the number of each."""
    seen: dict[str, dict[str, Any]] = {}

    def note(name: str, at: int, count: int, personal: bool) -> None:
        row = seen.get(name)
        if row is None:
            seen[name] = {
                "project_id": project_id,
                "name": name,
                "uuid": person_bytes(project_id, name),
                "first_seen": at,
                "last_seen": at,
                "event_count": count,
                "personal": int(personal),
            }
            return
        row["first_seen"], row["last_seen"] = min(row["first_seen"], at), max(row["last_seen"], at)
        row["event_count"] += count
        row["personal"] |= int(personal)

    for event in fresh:
        note(event.distinct_id, event.timestamp, 1, event.personal)
        if event.claim:
            for name in (event.claim.x, event.claim.y):
                note(name, event.timestamp, 0, event.claim.refused is None)
    # In one order everywhere, so that two processes that touch the same ids do not wait for each other.
    rows = db.many("distinct_id.seen", [seen[name] for name in sorted(seen)])
    return {row["name"]: row["id"] for row in rows}


def _write_properties(db: Connection, fresh: dict[bytes, Fresh], numbers: dict[str, int]) -> None:
    telling = {
        uuid: one for uuid, one in fresh.items() if one.event.set_ or one.event.set_once or one.event.unset
    }  # a visitor who is nobody's user yet tells nothing, and that is most events of most sites
    if telling:
        db.many("property.write", _writes(telling, numbers))
        _lay(db, telling, numbers)


def _writes(fresh: dict[bytes, Fresh], numbers: dict[str, int]) -> list[dict[str, Any]]:
    """Give one row per id, key and kind: a visit says most of what it says of its person with every event."""
    found: dict[tuple[int, str, str], Write] = {}
    for uuid, (event, _) in fresh.items():
        number = numbers[event.distinct_id]
        set_, once = (
            {name: value for name, value in bag.items() if not name.startswith(layers.NAMES)}
            for bag in (event.set_, event.set_once)
        )
        unset = [name for name in event.unset if not name.startswith(layers.NAMES)]
        if not (set_ or once or unset):
            continue
        for write in writes(set_, once, unset, at=event.timestamp, uuid=order(uuid, event.micros)):
            place = (number, write.key, write.kind)
            known = found.get(place)
            if known is None or write.outdoes(known):
                found[place] = write
    return [
        {
            "distinct_id": number,
            "key": key,
            "kind": kind,
            "value": None if write.unset else orjson.dumps(write.value).decode(),
            "at": write.at,
            "uuid": write.uuid,
        }
        for (number, key, kind), write in found.items()
    ]


def _lay(db: Connection, fresh: dict[bytes, Fresh], numbers: dict[str, int]) -> None:
    """Write the properties that lie in layers."""
    new: dict[tuple[int, str], list[layers.Layer]] = defaultdict(list)
    for uuid, (event, _) in fresh.items():
        for kind, layer in layers.of_event(event, order(uuid, event.micros)):
            new[numbers[event.distinct_id], kind].append(layer)
    layers.put(db, new)
