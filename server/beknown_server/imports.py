"""Imports, line by line: our own exports, and what the lines of others' mean here.

Rules:
- Pure, and the same for ndjson and CSV: a line is an object.
- PostHog's: events (its batch exports, its API, its CSV), and persons (a row per person, or per distinct id). Its
  persons are one here too: their ids are merged as of the person's creation, and what no event says of them is kept.
- A list of events, or of batches as they were posted: replayed as if they came now, the operator vouching for them.
- An event without a uuid gets one from its content and place, so that a second import repeats nothing.
- Which of an identified person's ids is the user's PostHog does not say. It is taken to be the first that does not look
  as if it had been made up for a device; where none stands out, the first.
- One odd line costs itself only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import orjson
from beknown.wire import MAX_NAME, is_junk

from . import archive
from .archive import Found, Record, vouched
from .bags import as_id, clean, kept_id, plain_bag
from .identity import FORCED, NAMED, refused_for_good, writes
from .intake import Skip, taken
from .moments import moment
from .payload import document
from .store import Event, KeptFact, KeptId, place_of

PLACES = uuid5(NAMESPACE_URL, "beknown import")  # the namespace of uuids for events that came without one
BEYOND = "more cells than the header has"  # csv.DictReader's restkey
CELLS = ("properties", "more", "set", "set_once", "distinct_ids")  # columns that hold JSON
BAGS = ("$set", "$set_once", "$groups", "$group_set")  # properties that hold others; in a CSV: properties.$set.plan

_ODD = (Skip, ValueError, LookupError, TypeError, AttributeError, OverflowError)
# PostHog's anonymous ids (UUIDs; once, five groups of any length), and what sites call theirs.
_MADE_UP = re.compile(r"[0-9a-f]+(-[0-9a-f]+){4}$|anon|guest|visitor|\$?device", re.IGNORECASE)


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
            except _ODD as reason:
                found.skipped[str(reason)] += 1
        return found

    def _item(self, item: Any, where: str, found: Found) -> None:
        if _is_event(item) is not self.events:
            return
        if not isinstance(item, dict):
            raise Skip("not an object")
        item = _uncelled(item)
        if "record" in item:
            archive.read(item, self._now, found)
        elif "event" in item:
            found.events.append(self._event(item, where))
        else:
            self._person(item, found)

    def _event(self, item: Record, where: str) -> Event:
        properties = dict(item["properties"]) if isinstance(item.get("properties"), dict) else {}
        for name in ("set", "set_once"):  # columns of PostHog's batch export
            if isinstance(item.get(name), dict):
                properties.setdefault("$" + name, item[name])
        if item.get("elements_chain"):
            properties.setdefault("$elements_chain", item["elements_chain"])
        raw = {**item, "properties": properties}
        made = str(uuid5(PLACES, where + orjson.dumps(item, option=orjson.OPT_SORT_KEYS).decode()))
        return taken(raw, vouched(self._now, made)).event

    def _person(self, row: Record, found: Found) -> None:
        ids = row.get("distinct_ids")
        ids = [as_id(one) for one in (ids if isinstance(ids, list) else [row.get("distinct_id")]) if one is not None]
        ids = [kept_id(one) for one in ids]
        if _is_true(row.get("is_deleted")):
            return
        if not ids:
            raise Skip("neither an event nor a person")
        person = str(row.get("person_id") or row.get("uuid") or row.get("id") or ids[0])
        created = moment(row.get("created_at"))
        at = self._now if created is None else created
        # PostHog may have glued people together by a junk id.
        good = sorted((one for one in ids if not is_junk(one)), key=_doubt)
        first = self._first_of.setdefault(person, good[0]) if good else ids[0]
        given = row.get("properties")
        kept, _ = plain_bag(given if isinstance(given, dict) else {}, "properties")
        bag = {clean(name)[:MAX_NAME]: value for name, value in kept.items()}
        for one in ids:
            uuid = str(uuid5(PLACES, f"{person} {one}"))
            told = writes(bag if one in good else {}, {}, [], at=at, uuid=place_of(uuid))
            found.ids.append(KeptId(0, one, at, at, True, told))
            if one != first:
                found.facts.append(KeptFact(0, uuid, FORCED, one, first, at, refused_for_good(FORCED, one, first)))
        if _is_true(row.get("is_identified")):
            refused = refused_for_good(NAMED, first, first)
            found.facts.append(KeptFact(0, str(uuid5(PLACES, f"{person} named")), NAMED, first, first, at, refused))


def _doubt(distinct_id: str) -> int:
    """Tell how much an id looks made up for a device: 2 is most; 1: a UUID as databases give their users, too."""
    if not _MADE_UP.match(distinct_id):
        return 0
    return 1 if len(distinct_id) == 36 and distinct_id[14] != "7" else 2  # PostHog's are of version 7 since 2023


def _is_true(value: Any) -> bool:
    return str(value).lower() in ("true", "1")


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
    if BEYOND in item:
        raise ValueError(BEYOND)
    found: Record = {}
    for name, value in item.items():
        outer, _, inner = name.partition(".")
        is_inner = outer == "properties" and inner != ""  # PostHog's CSV has a column for each property
        if is_inner or name in CELLS:
            value = _parsed(value)
        if value in ("", None) and name not in ("properties", "event"):
            continue
        if is_inner:
            _put(found.setdefault("properties", {}), inner, value)
        elif isinstance(found.get(name), dict) and isinstance(value, dict):
            found[name].update(value)
        else:
            found[name] = value
    more = found.pop("more", {}) if "record" in found else {}
    return {**found, **more}


def _parsed(cell: Any) -> Any:
    """Give what a cell says that holds an object or a list, else the cell."""
    if isinstance(cell, str) and cell[:1] in ("{", "["):
        with suppress(ValueError):
            return document(cell.encode())
    return cell


def _put(properties: Record, name: str, value: Any) -> None:
    bag, _, inner = name.partition(".")
    if bag in BAGS and inner:
        properties.setdefault(bag, {})[inner] = value
    else:
        properties[name] = value
