"""Exports and imports, record by record: what a line of our export says, and what other exports' lines mean here.

Rules:
- Pure, and the same for ndjson and CSV: a line is an object. In CSV nested values are JSON in their cell.
- Ours: every line has a ``record``: event, id, fact, group or forgotten. Events come as they are stored, with the fact
  that they brought as it was judged then; so whatever the project demands now, the import ends in the same persons.
- PostHog's: events (its batch exports, its API, its CSV), and persons (a row per person, or per distinct id). Its
  persons are one here too: their ids are merged as of the person's creation, and what no event says of them is kept.
- A list of events, or of batches as they were posted: replayed as if they came now, the operator vouching for them.
- An event without a uuid gets one from its content and place, so that a second import repeats nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import orjson
from beknown.wire import MAX_ID, is_junk, iso

from .bags import clean
from .identity import FORCED, NAMED, Write, refused_for_good, writes
from .intake import Skip, Terms, as_id, taken
from .moments import moment
from .store import Claim, Event, Group, KeptFact, KeptId, Row

PLACES = uuid5(NAMESPACE_URL, "beknown import")  # the namespace of uuids for events that came without one
CSV = ("record", "number", "uuid", "event", "distinct_id", "timestamp", "session_id", "person_id", "properties", "more")

Record = dict[str, Any]


@dataclass(slots=True)
class Found:
    """What some lines bring into the store."""

    events: list[Event] = field(default_factory=list)
    ids: list[KeptId] = field(default_factory=list)
    facts: list[KeptFact] = field(default_factory=list)
    forgotten: list[tuple[str, int]] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)  # why something could not be used, and how often

    @property
    def size(self) -> int:
        """Give how many records it holds."""
        return len(self.events) + len(self.ids) + len(self.facts) + len(self.forgotten)

    def add(self, more: Found) -> None:
        """Take in what another line brings."""
        self.events += more.events
        self.ids += more.ids
        self.facts += more.facts
        self.forgotten += more.forgotten
        self.skipped += more.skipped


# Out --------------------------------------------------------------------------------------------------------------


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
        "written": [[w.kind, w.key, w.value, iso(w.at), w.uuid, w.unset] for w in one.written],
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


def group_record(group: Group) -> Record:
    """Give the record of a group, for readers: an import makes groups of the events that named them."""
    return {"record": "group", "type": group.type, "key": group.key, "properties": group.properties}


def forgotten_record(hash: str, at: int) -> Record:
    """Give the record of a tombstone."""
    return {"record": "forgotten", "hash": hash, "at": iso(at)}


def csv_row(record: Record) -> Record:
    """Give a record as a row of CSV: what is nested is JSON, what has no column stands in ``more``."""
    row = {name: record.get(name) for name in CSV[:-2]}
    more = {name: value for name, value in record.items() if name not in CSV}
    row["properties"] = orjson.dumps(record["properties"]).decode() if "properties" in record else None
    row["more"] = orjson.dumps(more).decode() if more else None
    return row


# In ---------------------------------------------------------------------------------------------------------------


class Reader:
    """Reads the lines of one file, in order: the events, or all but those. Remembers which ids PostHog holds for one
    person."""

    def __init__(self, now: int, *, events: bool) -> None:
        self._now = now
        self.events = events
        self._first_of: dict[str, str] = {}  # PostHog's id of a person -> the first distinct id that was read

    def read(self, line: Any, place: str) -> Found:
        """Give what one line brings; ``place`` says which line it is. What cannot be used is skipped alone."""
        found = Found()
        for item, where in _items(line, place):
            try:
                self._item(item, where, found)
            except (Skip, ValueError, KeyError, TypeError) as reason:
                found.skipped[str(reason)] += 1
        return found

    def _item(self, item: Any, where: str, found: Found) -> None:
        item = _uncelled(item) if isinstance(item, dict) else item
        if _is_event(item) is not self.events:
            return
        if not isinstance(item, dict):
            raise Skip("not an object")
        if "record" in item:
            self._ours(item, found)
        elif "event" in item:
            found.events.append(self._event(item, where))
        else:
            self._person(item, found)

    def _ours(self, record: Record, found: Found) -> None:
        kind = record["record"]
        if kind == "event":
            found.events.append(self._stored(record))
        elif kind == "id":
            found.ids.append(
                KeptId(
                    0,
                    record["distinct_id"],
                    _ms(record["first_seen"]),
                    _ms(record["last_seen"]),
                    bool(record["personal"]),
                    [Write(w[0], w[1], w[2], _ms(w[3]), w[4], w[5]) for w in record["written"]],
                )
            )
        elif kind == "fact":
            undone = _ms(record["undone"]) if record.get("undone") else None
            place = (record["uuid"], record["kind"], record["x"], record["y"], _ms(record["at"]))
            found.facts.append(KeptFact(0, *place, record.get("refused"), undone, record.get("rule", "")))
        elif kind == "forgotten":
            found.forgotten.append((record["hash"], _ms(record["at"])))

    def _stored(self, record: Record) -> Event:
        event = taken(record, self._terms(record["uuid"], keeps_marks=True)).event
        fact = record.get("fact")
        claim = Claim(fact["kind"], fact["x"], fact["y"], fact["refused"]) if fact else None
        return event._replace(claim=claim, timestamp=_ms(record["timestamp"]))

    def _event(self, item: Record, where: str) -> Event:
        properties = dict(item["properties"]) if isinstance(item.get("properties"), dict) else {}
        for name in ("set", "set_once"):  # columns of PostHog's batch export
            if isinstance(item.get(name), dict):
                properties.setdefault("$" + name, item[name])
        if item.get("elements_chain"):
            properties.setdefault("$elements_chain", item["elements_chain"])
        raw = {**item, "properties": properties}
        made = str(uuid5(PLACES, where + orjson.dumps(item, option=orjson.OPT_SORT_KEYS).decode()))
        return taken(raw, self._terms(made)).event

    def _terms(self, uuid: str, *, keeps_marks: bool = False) -> Terms:
        # Whoever runs an import vouches for it: no signature is asked for, and forced merges are what they say.
        return Terms(self._now, None, {"merge_dangerously": True}, lambda now: uuid, keeps_marks=keeps_marks)

    def _person(self, row: Record, found: Found) -> None:
        ids = row.get("distinct_ids")
        ids = [as_id(one) for one in (ids if isinstance(ids, list) else [row.get("distinct_id")]) if one is not None]
        ids = [clean(one[:MAX_ID]) for one in ids]
        if row.get("is_deleted") in (True, 1, "true"):
            return
        if not ids:
            raise Skip("neither an event nor a person")
        person = str(row.get("person_id") or row.get("uuid") or row.get("id") or ids[0])
        created = moment(row.get("created_at"))
        at = self._now if created is None else created
        good = [one for one in ids if not is_junk(one)]  # PostHog may have glued people together by such an id
        first = self._first_of.setdefault(person, good[0]) if good else ids[0]
        bag = row.get("properties")
        for one in ids:
            uuid = str(uuid5(PLACES, f"{person} {one}"))
            told = writes(bag if isinstance(bag, dict) and one in good else {}, {}, [], at=at, uuid=uuid)
            found.ids.append(KeptId(0, one, at, at, True, told))
            if one != first:
                found.facts.append(KeptFact(0, uuid, FORCED, one, first, at, refused_for_good(FORCED, one, first)))
        if row.get("is_identified") in (True, 1, "true"):
            refused = refused_for_good(NAMED, first, first)
            found.facts.append(KeptFact(0, str(uuid5(PLACES, f"{person} named")), NAMED, first, first, at, refused))


def _items(line: Any, place: str) -> Iterator[tuple[Any, str]]:
    """Give the objects of a line: itself, or what a list, a batch or a page of an API holds."""
    if isinstance(line, dict) and "record" not in line:
        # A batch's sent_at is left alone: it would tell a clock that was wrong only if we knew when it came.
        line = next((line[name] for name in ("batch", "results") if isinstance(line.get(name), list)), line)
    if not isinstance(line, list):
        yield line, place
        return
    for index, item in enumerate(line):
        yield from _items(item, f"{place}.{index}")


def _is_event(item: Any) -> bool:
    """Tell whether it is an event, or no record of anything else."""
    if not isinstance(item, dict):
        return True
    return bool(item["record"] == "event") if "record" in item else "event" in item


def _uncelled(item: Record) -> Record:
    """Give a row of CSV, or PostHog's JSON in text, as the object that it stands for."""
    found: Record = {}
    for name, value in item.items():
        outer, dot, inner = name.partition(".")
        if (
            isinstance(value, str)
            and value[:1] in ("{", "[")
            and name in ("properties", "more", "set", "set_once", "distinct_ids")
        ):
            with suppress(orjson.JSONDecodeError):
                value = orjson.loads(value)
        if value in ("", None) and name not in ("properties", "event"):
            continue
        if dot and outer == "properties":  # PostHog's CSV has a column for each property
            found.setdefault("properties", {})[inner] = value
        elif isinstance(found.get(name), dict) and isinstance(value, dict):
            found[name].update(value)
        else:
            found[name] = value
    more = found.pop("more", {}) if "record" in found else {}
    return {**found, **more}


def _ms(text: str) -> int:
    at = moment(text)
    if at is None:
        raise ValueError(f"{text!r} is no time")
    return at
