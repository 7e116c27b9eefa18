"""The right to be forgotten: a person with everything they did is deleted, and late events do not bring them back.

Rules:
- Gone are the events, the ids, what was set on them, what was said about them, and warnings that quote an id. Where
  another person's claim or alias named an id, that event stays theirs, without the id; and whom it made a user, stays
  one. Persons who are left are replayed, so that they are what the facts that are left make of them.
- A tombstone is left for each id: its SHA-256 and the time. It names nobody, but whoever holds the id is recognised:
  an event from before the deletion (a phone that was offline, an import of an old export) that names the id, as its
  own or in a claim, is not stored.
- A clock that was ahead brings nothing back: what it is known to be ahead is taken off, and where deleted events lie
  in the future, the tombstone does too.
- What happens after the deletion is new: the id begins afresh, and so does its person.
- Only the operator deletes. A late claim that would have made another id the deleted person's deletes nothing: with
  the public key anybody could send it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from ..bags import as_id, kept_id
from ..identity import CLAIMING
from . import question, warnings
from .clusters import replay_around, still_name
from .records import Event
from .writer import Connection

TABLES = ("event", "property", "fact", "person", "distinct_id")  # in this order: the last is what the others point at
NOBODY = "(deleted)"


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a deletion took: ids by number (for the columnar copy) and by name, and how many events."""

    numbers: list[int]
    names: list[str]
    events: int


def forget(db: Connection, project_id: int, person: int, *, now: int) -> Deleted:
    """Delete a person, by the number of their cluster, and leave the tombstones."""
    db.lock(project_id)
    rows = db.all("distinct_id.of_person", keys=[person])
    names = {row["id"]: row["name"] for row in rows}
    numbers = list(names)
    events = sum(db.all("event.count_of", ids=piece)[0]["events"] for piece in question.pieces(numbers))
    facts = [fact for piece in question.pieces(numbers) for fact in db.all("fact.around", ids=piece)]
    still_name(db, project_id, [fact for fact in facts if fact["y"] not in names])
    _unname(db, project_id, names)
    for table in TABLES:
        db.many(f"{table}.forget", [{"id": number} for number in numbers])
    replay_around(db, project_id, sorted({fact[side] for fact in facts for side in ("x", "y")} - set(numbers)))
    stones = [(_hash(row["name"]), max(now, row["last_seen"])) for row in rows]
    db.many("forgotten.add", [{"project_id": project_id, "hash": hash, "at": at} for hash, at in stones])
    warnings.unname(db, project_id, list(names.values()))
    return Deleted(numbers, list(names.values()), events)


def _unname(db: Connection, project_id: int, names: dict[int, str]) -> None:
    """Take the ids out of the claims and aliases that were other people's events."""
    gone = set(names.values())
    uuids = {
        bytes(fact["uuid"]) for piece in question.pieces(list(names)) for fact in db.all("fact.explain", ids=piece)
    }
    for piece in question.pieces(sorted(uuids)):
        for row in db.all("event.told", project_id=project_id, uuids=piece):
            if row["distinct_id"] not in names:
                told = orjson.loads(row["properties"])
                kept = {key: _without(key, value, gone) for key, value in told.items()}
                db.many("event.rewrite", [{"seq": row["seq"], "properties": orjson.dumps(kept).decode()}])


def _without(key: str, value: Any, gone: set[str]) -> Any:
    is_id = isinstance(value, str) or key in CLAIMING  # elsewhere a number is a price, say
    return NOBODY if is_id and kept_id(as_id(value)) in gone else value


def remembered(db: Connection, project_id: int, events: Iterable[Event]) -> set[str]:
    """Give the uuids of the events that are not to be stored: they name an id that was deleted after they happened."""
    at = tombstones(db, project_id, {name for event in events for name in _named(event)})
    if not at:
        return set()
    return {
        event.uuid
        for event in events
        if any(name in at and event.timestamp - event.ahead <= at[name] for name in _named(event))
    }


def tombstones(db: Connection, project_id: int, names: Iterable[str]) -> dict[str, int]:
    """Give when each of these ids was deleted, for those that were."""
    if not db.all("forgotten.any", project_id=project_id):
        return {}  # as nearly always, and asked for every group of events
    hashes = {_hash(name): name for name in names}
    return {
        hashes[bytes(row["hash"])]: row["at"]
        for piece in question.pieces(list(hashes))
        for row in db.all("forgotten.among", project_id=project_id, hashes=piece)
    }


def _named(event: Event) -> tuple[str, ...]:
    return (event.distinct_id, event.claim.x, event.claim.y) if event.claim else (event.distinct_id,)


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()
