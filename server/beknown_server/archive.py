"""Our own exports, record by record: what goes out, and what of it can come back in.

Rules:
- Pure, and the same for ndjson and CSV: a line is an object. In CSV nested values are JSON in their cell.
- Every line has a ``record``: project, event, id, fact, group, forgotten, and the last one end. Events come as they are
  stored, with the fact that they brought as it was judged then; so whatever a project demands now, the import ends in
  the same persons.
- Of the project come its name and what it has chosen, which an import only tells; no key, for keys are secrets.
- What a store could not keep raises ValueError here, so that an odd line costs itself only.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
from beknown.wire import MAX_ID, iso

from .bags import clean, shown
from .identity import ALIAS, CLAIM, FORCED, NAMED, ONCE, REFUSED_FOR_GOOD, SET, Write
from .intake import Terms, taken
from .moments import moment
from .options import Chosen, chosen
from .store import Claim, Event, KeptFact, KeptGroup, KeptId, Project, Row, place_of, text_of

CSV = ("record", "number", "uuid", "event", "distinct_id", "timestamp", "session_id", "person_id", "properties", "more")

HASH = 32  # bytes of a tombstone's SHA-256

Record = dict[str, Any]


@dataclass(slots=True)
class Found:
    """What some lines bring into the store, and what the project that they are of had chosen."""

    options: Record = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    ids: list[KeptId] = field(default_factory=list)
    facts: list[KeptFact] = field(default_factory=list)
    groups: list[KeptGroup] = field(default_factory=list)
    forgotten: list[tuple[str, int]] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)  # why something could not be used, and how often

    @property
    def size(self) -> int:
        """Give how many records it holds."""
        return len(self.events) + len(self.ids) + len(self.facts) + len(self.groups) + len(self.forgotten)

    def add(self, more: Found) -> None:
        """Take in what another line brings."""
        self.options |= more.options
        self.events += more.events
        self.ids += more.ids
        self.facts += more.facts
        self.groups += more.groups
        self.forgotten += more.forgotten
        self.skipped += more.skipped


# Out --------------------------------------------------------------------------------------------------------------


def project_record(project: Project) -> Record:
    """Give the record of a project: its name, and every option."""
    return {"record": "project", "name": project.name, "options": chosen(project.options)}


def event_record(row: Row, fact: KeptFact | None) -> Record:
    """Give the record of an event."""
    record = {
        "record": "event",
        "number": row.seq,
        "uuid": row.uuid,
        "event": row.event,
        "distinct_id": row.distinct_id,
        "timestamp": row.time(),
        "session_id": row.session_id,
        "person_id": row.person.person_id,
        "properties": row.properties,
    }
    if fact is not None:
        record["fact"] = {"kind": fact.kind, "x": fact.x, "y": fact.y, "refused": fact.refused}
    return record


def id_record(one: KeptId) -> Record:
    """Give the record of an id, with all that was set on it."""
    return {
        "record": "id",
        "number": one.number,
        "distinct_id": one.distinct_id,
        "first_seen": iso(one.first_seen),
        "last_seen": iso(one.last_seen),
        "personal": one.personal,
        "written": [_told(write) for write in one.written],
    }


def fact_record(fact: KeptFact) -> Record:
    """Give the record of a fact that no event tells in full."""
    return {
        "record": "fact",
        "number": fact.number,
        "uuid": fact.uuid,
        "kind": fact.kind,
        "x": fact.x,
        "y": fact.y,
        "at": iso(fact.at),
        "refused": fact.refused,
        "undone": None if fact.undone is None else iso(fact.undone),
        "rule": fact.rule,
    }


def group_record(group: KeptGroup) -> Record:
    """Give the record of a group: its properties for readers, and with what an import needs beside."""
    return {
        "record": "group",
        "type": group.type,
        "key": group.key,
        "first_seen": iso(group.first_seen),
        "last_seen": iso(group.last_seen),
        "properties": {write.key: write.value for write in group.written},
        "written": [_told(write) for write in group.written],
    }


def forgotten_record(hash: str, at: int) -> Record:
    """Give the record of a tombstone."""
    return {"record": "forgotten", "hash": hash, "at": iso(at)}


def _told(write: Write) -> list[Any]:
    return [write.kind, write.key, write.value, iso(write.at), text_of(write.uuid), write.unset]


def csv_row(record: Record) -> Record:
    """Give a record as a row of CSV: what is nested is JSON, what has no column stands in ``more``."""
    row = {name: record.get(name) for name in CSV[:-2]}
    more = {name: value for name, value in record.items() if name not in CSV}
    row["properties"] = orjson.dumps(record["properties"]).decode() if "properties" in record else None
    row["more"] = orjson.dumps(more).decode() if more else None
    return row


# In ---------------------------------------------------------------------------------------------------------------


def vouched(now: int, uuid: str, *, keeps_marks: bool = False) -> Terms:
    """Give the terms of an import: whoever runs it vouches for it, so no signature is asked for, and merges count."""
    return Terms(now, None, {"merge_dangerously": True}, lambda now: uuid, keeps_marks=keeps_marks)


def read(record: Record, now: int, found: Found) -> None:
    """Add what a record of ours brings. Raises Skip, or what Python does at an odd one (KeyError, ValueError, ...)."""
    kind = record["record"]
    if kind == "project":
        found.options = _options(record["options"])
    elif kind == "event":
        found.events.append(_event(record, now))
    elif kind == "id":
        written = [_write(one) for one in record["written"]]
        seen = (_ms(record["first_seen"]), _ms(record["last_seen"]))
        found.ids.append(KeptId(0, _id(record["distinct_id"]), *seen, bool(record["personal"]), written))
    elif kind == "fact":
        found.facts.append(_fact(record))
    elif kind == "group":
        if "written" in record:  # as older exports do not: their groups come with the events
            written = [_write(one) for one in record["written"]]
            seen = (_ms(record["first_seen"]), _ms(record["last_seen"]))
            found.groups.append(KeptGroup(_text(record["type"]), _text(record["key"]), *seen, written))
    elif kind == "forgotten":
        found.forgotten.append((_hash(record["hash"]), _ms(record["at"])))
    elif kind != "end":
        raise ValueError(f"{shown(kind)} is no record")


def _options(said: Any) -> Record:
    asked = Chosen(dict(said), {})
    if asked.wrong:
        raise ValueError(" ".join(asked.wrong.values()))
    return asked.options


def _event(record: Record, now: int) -> Event:
    event = taken(record, vouched(now, record["uuid"], keeps_marks=True)).event
    fact = record.get("fact")
    return event._replace(claim=_claim(fact) if fact else None, timestamp=_ms(record["timestamp"]))


def _fact(record: Record) -> KeptFact:
    claim = _claim(record)
    undone = _ms(record["undone"]) if record.get("undone") else None
    said = (str(UUID(record["uuid"])), claim.kind, claim.x, claim.y, _ms(record["at"]))
    return KeptFact(0, *said, claim.refused, undone, _text(record.get("rule") or ""))


def _claim(said: Record) -> Claim:
    kind, refused = said["kind"], said.get("refused")
    if kind not in (CLAIM, ALIAS, FORCED, NAMED) or refused not in (None, *REFUSED_FOR_GOOD):
        raise ValueError(f"{shown(kind)}, refused as {shown(refused)}, is no fact")
    return Claim(kind, _id(said["x"]), _id(said["y"]), refused)


def _write(said: Any) -> Write:
    kind, key, value, at, place, unset = said
    if kind not in (SET, ONCE):
        raise ValueError(f"{shown(kind)} is no way to set a property")
    return Write(kind, _text(key), value, _ms(at), place_of(place), bool(unset))


def _id(value: Any) -> str:
    if len(_text(value)) > MAX_ID:
        raise ValueError("an id is too long")
    return str(value)


def _text(value: Any) -> str:
    if not isinstance(value, str) or clean(value) != value:
        raise ValueError(f"{shown(value)} is no text")
    return value


def _hash(text: str) -> str:
    if len(bytes.fromhex(text)) != HASH:
        raise ValueError(f"{shown(text)} is no hash")
    return text


def _ms(text: Any) -> int:
    at = moment(text)
    if at is None:
        raise ValueError(f"{shown(text)} is no time")
    return at
