"""What goes into the store and what comes out: plain, frozen records. Times are whole milliseconds since 1970."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from beknown.wire import iso

from ..identity import Write

NOTHING: Mapping[str, Any] = MappingProxyType({})
CURSOR = re.compile(r"([0-9]{1,18})\.([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class Project:
    """One site (or several that share their visitors) and what it has chosen."""

    id: int
    name: str
    write_key: str
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Claim:
    """What an event says about identity: kind (claim, alias, forced_merge), ``x`` and ``y`` as in identity.Fact.

    ``refused`` names the rule that refuses it whatever else happened, if one does.
    """

    kind: str
    x: str
    y: str
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """A company, a team or the like, by type and key, with what was set on it."""

    type: str
    key: str
    properties: dict[str, Any]
    first_seen: int = 0
    last_seen: int = 0


class Event(NamedTuple):
    """One event on its way into the store. ``personal``: it is somebody's, not about a group or a flag.

    A tuple, because one is made for each event that comes in: a frozen dataclass of as many fields takes 3 us.
    """

    uuid: str
    event: str
    distinct_id: str
    timestamp: int
    properties: dict[str, Any]
    set_: Mapping[str, Any] = NOTHING
    set_once: Mapping[str, Any] = NOTHING
    unset: Sequence[str] = ()
    session_id: str | None = None
    claim: Claim | None = None
    personal: bool = True
    groups: Sequence[Group] = ()  # that it describes, or belongs to; each once
    text: str = ""  # the properties as JSON, where they were written already
    micros: int | None = None  # of the timestamp, beyond its milliseconds, where the sender told them
    ahead: int = 0  # ms, by which the timestamp is at least too late: so far the sender's clock was ahead


@dataclass(frozen=True, slots=True)
class Appended:
    """How many of the events were new, how many had been stored before; which claims were refused, by which rule.

    ``forgotten``: the uuids of those not stored, because they name somebody who was deleted after they happened.
    ``ungrouped``: the groups that were not made, because the project has no room for their types.
    """

    stored: int
    repeated: int
    refused: Sequence[tuple[str, Claim]] = ()
    forgotten: frozenset[str] = frozenset()
    ungrouped: Sequence[Group] = ()


@dataclass(frozen=True, slots=True)
class PersonRef:
    """Just enough of a person to show beside an event."""

    person_id: str
    name: str
    is_identified: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One stored event. ``seq`` counts arrivals: what arrived later is greater."""

    seq: int
    uuid: str
    event: str
    timestamp: int
    received: int
    distinct_id: str
    session_id: str | None
    properties: dict[str, Any]
    person: PersonRef
    micros: int | None = None
    size: int = 0  # of the properties' JSON

    @classmethod
    def read(cls, row: Any, person: PersonRef) -> Row:
        """Give a row of event.recent, which is this person's."""
        uuid, properties = str(UUID(bytes=bytes(row["uuid"]))), orjson.loads(row["properties"])
        when, whose = (row["timestamp"], row["received"]), (row["distinct_id"], row["session_id"])
        more = (row["micros"], len(row["properties"]))
        return cls(row["seq"], uuid, row["event"], *when, *whose, properties, person, *more)

    def time(self) -> str:
        """Give when it happened, as exactly as its sender told: ISO 8601 in UTC."""
        text = iso(self.timestamp)
        return text if self.micros is None else f"{text[:-1]}{self.micros:03}Z"


class Place(NamedTuple):
    """Where a person stands among people: when the latest of their ids was last seen, and its number."""

    last_seen: int
    number: int

    @classmethod
    def read(cls, text: str) -> Place | None:
        """Give the place that a cursor tells, or None if it tells none."""
        found = CURSOR.fullmatch(text)
        return cls(int(found[1]), int(found[2])) if found else None

    def __str__(self) -> str:
        """Give it as the cursor of the page of people that begins behind it."""
        return f"{self.last_seen}.{self.number}"


@dataclass(frozen=True, slots=True)
class Person:
    """One person: the surviving id first, then the others by their first event."""

    person_id: str
    name: str
    distinct_ids: list[str]
    is_identified: bool
    properties: dict[str, Any]
    first_seen: int
    last_seen: int
    event_count: int
    place: Place


@dataclass(frozen=True, slots=True)
class Origin:
    """Whence a person's property has its value: when, under which id, by which event (None: it is not kept)."""

    at: int
    distinct_id: str
    event: str | None
    is_first: bool  # set once, and kept since


@dataclass(frozen=True, slots=True)
class Link:
    """One fact about identity: ``distinct_id`` to ``to``, by which event, and the rule that decided.

    ``undone``: when an operator withdrew it, or None.
    """

    id: int
    distinct_id: str
    to: str
    linked_by: str
    rule: str
    at: int
    undone: int | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a person is one person, in the order it happened, what was refused, and what an operator has undone."""

    links: list[Link]
    refused: list[Link]
    undone: list[Link] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class KeptId:
    """An id as an export keeps it, with all that was set on it (each write's ``uuid`` as its place: see order.py)."""

    number: int
    distinct_id: str
    first_seen: int
    last_seen: int
    personal: bool
    written: Sequence[Write] = ()


@dataclass(frozen=True, slots=True)
class KeptFact:
    """A fact as an export keeps it: ``refused`` is the rule that refused it for good.

    ``undone``: when it was, or None; ``rule``: what had decided it until then.
    """

    number: int
    uuid: str
    kind: str
    x: str
    y: str
    at: int
    refused: str | None = None
    undone: int | None = None
    rule: str = ""


@dataclass(frozen=True, slots=True)
class KeptGroup:
    """A group as an export keeps it, with what counts of all that was set on it."""

    type: str
    key: str
    first_seen: int
    last_seen: int
    written: Sequence[Write] = ()


@dataclass(frozen=True, slots=True)
class Warning:
    """Something that was refused or mended, counted, with the latest example and what to do about it."""

    code: str
    count: int
    example: str
    fix: str
    first_seen: int
    last_seen: int


@dataclass(frozen=True, slots=True)
class Counts:
    """Head numbers: events, and the persons they belong to as known now."""

    events: int
    persons: int
