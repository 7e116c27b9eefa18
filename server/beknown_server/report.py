"""The identity report: how good the identification is, what spoils it, and how far to trust the counts.

Rules:
- The ladder, by share of events: 1 the user's id, 2 an anonymous id over many sessions, 3 within one session only,
  4 a new id on every request.
- A finding is only there if something was found; it names persons to look at, the effect on unique users, the fix.
- The interval of unique users. Among users we know how many ids one person has left behind (duplication), and on
  devices how many users share one (collision). Those who are not known are taken to be alike: so many persons may be
  fewer by the one rate, and more by the other. Proven duplicates come off the low end only.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Any, Protocol

from . import insights
from .asked import Asked, Range, Values, code_of
from .identity import REFUSED
from .insights import Desk
from .spans import Buckets, buckets

OVERSIZED = 50  # distinct ids of one person; a busy human with many browsers has a dozen
LATE_EVENTS = 5  # under a fresh anonymous id, by somebody who was a user before
SINGLE_IDS = 10  # without a session, one event each: fewer may be chance
CHANGING = 3  # users of one device, each in no more than one session
EXAMPLES = 5
MOST_SHOWN = 50  # users of one device, and persons whose events are missing
MOST_MISSED = 1000  # events in a row: a tab whose numbers leap further has begun to count anew
UNIQUE = ("email", "phone")  # a person's properties that two people do not share

# code: severity, what it does to unique users, what to change
ADVICE = {
    "forgotten_reset": ("high", "none: the users were kept apart", "Call beknown.reset() when a user logs out."),
    "late_identify": ("medium", "none in the end; until then one more", "Call identify() on every page of a user."),
    "junk_id": ("high", "none: refused; these visitors stay anonymous", "Pass the user's id, after log-in only."),
    "shared_device": (
        "low",
        "more persons than devices, as it should be",
        "Call reset() at log-out, so it stays so.",
    ),
    "duplicate_person": ("high", "one person less for each", "Identify with one lasting id of your database."),
    "id_per_request": ("high", "nearly one person less for each", "Pass the browser's distinct id on every call."),
    "storage_blocked": ("medium", "one person less for each", "Serve the collector under the site's own name."),
    "identified_by_changing_id": ("high", "too many users", "Do not identify with a session's id or a token."),
    "oversized_person": ("high", "may hide many persons", "Look for an id that many share; undo the merge."),
    "unsigned_identify": ("medium", "none: not merged", "Have your backend sign the user's id."),
    "gpc_or_opted_out": ("low", "counted once per request or day", "Nothing: these visitors asked not to be known."),
    "events_lost": (
        "medium",
        "some persons may be missing",
        "Call flush() before leaving; see what blocks the address.",
    ),
}


class Register(Protocol):
    """What the store knows about identity besides events."""

    def identified(self) -> list[int]: ...
    def facts(self, start: int, stop: int) -> list[tuple[str, int, int, str, int]]: ...
    def shared_texts(self, keys: list[str]) -> Iterable[tuple[int, str, str]]: ...


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that spoils identification: how often, and persons (their numbers) to look at."""

    code: str
    count: int
    persons: Sequence[int]

    def answer(self) -> dict[str, Any]:
        """Give it as the report says it; examples are still numbers."""
        severity, effect, fix = ADVICE[self.code]
        examples = list(dict.fromkeys(self.persons))[:EXAMPLES]
        return {
            "code": self.code,
            "severity": severity,
            "count": self.count,
            "examples": examples,
            "effect": effect,
            "fix": fix,
        }


def report(desk: Desk, register: Register, body: Any) -> dict[str, Any]:
    """Give the identity report of a range of days; ``examples`` are persons' numbers, for the caller to name."""
    days = Asked(body).range(desk.today)
    study = Study(desk, register, days)
    lost = study.loss()
    found = [*study.of_facts(), *study.of_devices(), *study.of_ids(), *study.of_persons()]
    if lost["sent"] > lost["received"]:
        found.append(Finding("events_lost", lost["sent"] - lost["received"], study.losers))
    order = {code: place for place, code in enumerate(ADVICE)}
    return {
        "ladder": study.ladder(),
        "findings": [one.answer() for one in sorted(found, key=lambda one: order[one.code]) if one.count],
        "unique_users": study.unique_users(),
        "loss": lost,
        "weeks": study.weeks(),
    }


def interval(desk: Desk, register: Register, days: Range) -> dict[str, int]:
    """Give ``{"persons", "low", "high"}``: all persons of a range of days."""
    return Study(desk, register, days).unique_users()


def unique(desk: Desk, register: Register, body: Any) -> dict[str, int]:
    """Give ``{"persons", "low", "high"}`` for those who had an event that matches; the interval is that of all."""
    persons = insights.unique(desk, body)
    days = Asked(body).range(desk.today)
    every = interval(desk, register, days)
    share = persons / every["persons"] if every["persons"] else 0.0
    low = max(int(every["low"] * share), 1 if persons else 0)
    return {"persons": persons, "low": low, "high": ceil(every["high"] * share)}


class Study:
    """One range of days under the glass."""

    def __init__(self, desk: Desk, register: Register, days: Range) -> None:
        self._desk, self._register, self._days = desk, register, days
        self._start, self._stop = days.bounds(desk.zone)
        desk.reading.load("known", '[{"person":"BIGINT"}]', [(person,) for person in register.identified()])

    def ladder(self) -> dict[str, float]:
        """Give the share of events on each rung."""
        return _shares(sum(self._rungs.values(), Counter()))

    def weeks(self) -> list[dict[str, Any]]:
        """Give the ladder of each week that begins or ends in the range, to see it climb."""
        labels = self._weeks.labels
        return [{"start": label, "ladder": _shares(self._rungs[place])} for place, label in enumerate(labels)]

    def loss(self) -> dict[str, Any]:
        """Give how many events were sent, by their own numbering, and how many of them came."""
        sent, received, _ = self._loss
        return {"sent": sent, "received": received, "share": (sent - received) / sent if sent else 0.0}

    @property
    def losers(self) -> list[int]:
        """Give some of the persons whose events did not come, who misses most first."""
        return [person for person in self._loss[2] or () if person is not None]

    def of_facts(self) -> Iterable[Finding]:
        """Give what is wrong with what was said about identity."""
        facts = self._register.facts(self._start, self._stop)
        persons = dict(self._desk.reading.ask("report.whose", ids=[y for _, _, y, rule, _ in facts if rule in REFUSED]))
        refused: dict[str, list[int]] = defaultdict(list)
        for _, _, y, rule, _ in facts:
            refused[rule].append(persons.get(y, 0))
        switched = [
            row[0]
            for row in self._ask("switched", self._keys(previous="$previous_user"), identify=code_of("$identify"))
        ]
        for code, found in (
            ("forgotten_reset", switched + refused["already_identified"]),
            ("junk_id", refused["junk_id"] + refused["same_id"]),
            ("unsigned_identify", refused["unsigned"]),
        ):
            yield Finding(code, len(found), [person for person in found if person])
        shape = '[{"kind":"VARCHAR","x":"BIGINT","y":"BIGINT","rule":"VARCHAR","at":"BIGINT"}]'
        self._desk.reading.load("fact", shape, facts)
        late = self._ask("late", {}, events=LATE_EVENTS)
        yield Finding("late_identify", len(late), [row[0] for row in late])

    def of_devices(self) -> Iterable[Finding]:
        """Give the devices that several users used, and those whose user seems to change."""
        shared: list[list[int]] = []
        changing: list[list[int]] = []
        for _, persons, examples, sessions in self._devices[0]:
            (changing if persons >= CHANGING and sessions <= persons else shared).append(examples)
        for code, found in (("shared_device", shared), ("identified_by_changing_id", changing)):
            yield Finding(code, len(found), [person for examples in found for person in sorted(examples)])

    def of_ids(self) -> Iterable[Finding]:
        """Give the ids that did not last."""
        count, persons = 0, list[int]()
        for _, single, ids, examples in self._ask("single", self._keys(library="$lib")):
            if single >= SINGLE_IDS and single * 2 > ids:
                count, persons = count + single, persons + examples
        for _, ids, examples in self._ask("crowded", {}):
            count, persons = count + ids, persons + examples
        yield Finding("id_per_request", count, persons)
        yield Finding("storage_blocked", len(self._inner), self._inner)
        private = [row[0] for row in self._ask("private", self._keys(gpc="$gpc", cookieless="$cookieless_mode"))]
        # Some of these events may be about nobody at all.
        yield Finding("gpc_or_opted_out", len(private), [person for person in private if person is not None])

    def of_persons(self) -> Iterable[Finding]:
        """Give the persons who are several, and those who should be one."""
        large = self._ask("oversized", {}, most=OVERSIZED)
        yield Finding("oversized_person", len(large), [row[0] for row in large])
        groups = self._duplicates
        yield Finding(
            "duplicate_person", sum(len(one) - 1 for one in groups), [person for one in groups for person in one]
        )

    def unique_users(self) -> dict[str, int]:
        """Give the count of persons, and the interval that the measured duplication and collision support."""
        known, others, duplication = self._ask("persons", {})[0]
        shared, single = self._devices
        users = single + sum(row[1] for row in shared)
        collision = users / (single + len(shared)) if users else 1.0
        doubled = sum(len(one) - 1 for one in self._duplicates)
        lasting = max(others - len(self._inner), 0)
        low = max(known - doubled, 0) + lasting / max(duplication, 1.0)
        persons = known + others
        at_least = 1 if persons else 0
        return {"persons": persons, "low": max(at_least, int(low)), "high": ceil(known + others * collision)}

    # What more than one of them looks at is asked once.

    @cached_property
    def _weeks(self) -> Buckets:
        return buckets(self._days.first, self._days.last, "week", self._desk.zone)

    @cached_property
    def _rungs(self) -> dict[int, Counter[int]]:
        """Give the events on each rung, by week."""
        found: dict[int, Counter[int]] = defaultdict(Counter)
        for week, rung, events in self._ask("ladder", {"bucket": self._weeks.sql()}):
            found[week][rung] += events
        return found

    @cached_property
    def _devices(self) -> tuple[list[tuple[Any, ...]], int]:
        """Give the devices that several users used, and how many devices one user alone used."""
        rows = self._ask("devices", {}, some=MOST_SHOWN)
        return [row for row in rows if row[0] is not None], sum(row[1] for row in rows if row[0] is None)

    @cached_property
    def _loss(self) -> tuple[int, int, list[int | None] | None]:
        keys = self._keys(tab="$window_id", sequence="$sequence")
        sent, received, persons = self._ask("loss", keys, most=MOST_MISSED, some=MOST_SHOWN)[0]
        return sent, received, persons

    @cached_property
    def _inner(self) -> list[int]:
        return [row[0] for row in self._ask("inner", {})]

    @cached_property
    def _duplicates(self) -> list[list[int]]:
        """Give the groups of persons who seem to be one, of the persons who were there in the range."""
        groups = _alike(self._register.shared_texts(list(UNIQUE)))
        active = {row[0] for row in self._ask("active", {}, persons=[one for group in groups for one in group])}
        present = (sorted(active.intersection(group)) for group in groups)
        return [group for group in present if len(group) > 1]

    def _keys(self, **names: str) -> tuple[dict[str, str], Values]:
        values = Values()
        return {name: values.property_sql(key) for name, key in names.items()}, values

    def _ask(self, question: str, fragments: Any, **more: Any) -> list[tuple[Any, ...]]:
        texts, values = fragments if isinstance(fragments, tuple) else (fragments, Values())
        return self._desk.ask("report." + question, texts, values, start=self._start, stop=self._stop, **more)


def _alike(texts: Iterable[tuple[int, str, str]]) -> list[list[int]]:
    """Give the groups of persons who share a text of the same key, each with the next or by way of others."""
    groups: dict[int, list[int]] = {}  # by each of its members
    first: dict[tuple[str, str], int] = {}
    for person, key, value in texts:
        text = value.strip().lower()
        if text:
            mine = groups.setdefault(person, [person])
            other = groups[first.setdefault((key, text), person)]
            if mine is not other:
                small, large = sorted((mine, other), key=len)
                large += small
                groups |= dict.fromkeys(small, large)
    return [group for group in {id(group): group for group in groups.values()}.values() if len(group) > 1]


def _shares(rungs: Counter[int]) -> dict[str, float]:
    total = sum(rungs.values())
    return {str(rung): rungs[rung] / total if total else 0.0 for rung in (1, 2, 3, 4)}
