"""The numbers, the slow and obvious way: loops over events in order, sharing no code with the server.

Funnels are in reference_funnel.py.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import accumulate
from statistics import median
from typing import Any, NamedTuple


class Seen(NamedTuple):
    """One event with the person that it belongs to in the end."""

    at: int
    name: str
    person: str


def day(at: int) -> date:
    return datetime.fromtimestamp(at / 1000, UTC).date()


def dau(events: Iterable[Seen], days: Sequence[date]) -> list[int]:
    return [len({one.person for one in events if day(one.at) == each}) for each in days]


def trailing(events: Iterable[Seen | Rich], days: Sequence[date], length: int) -> list[int]:
    """Persons with an event in the ``length`` calendar days that end with each day."""
    found = []
    for each in days:
        window = {each - timedelta(days=back) for back in range(length)}
        found.append(len({one.person for one in events if day(one.at) in window}))
    return found


def by_person(events: Iterable[Seen]) -> dict[str, list[Seen]]:
    found: dict[str, list[Seen]] = {}
    for one in sorted(events):
        found.setdefault(one.person, []).append(one)
    return found


def retention(
    events: list[Seen], first: date, periods: int, target: str, returning: str, *, once: bool
) -> list[list[int]]:
    """Daily cohorts: who did the target on a day (``once``: for the first time ever), and came back k days later."""
    table = []
    people = by_person(events)
    for cohort in range(periods):
        start = first + timedelta(days=cohort)
        members = []
        for who, mine in people.items():
            did = [day(one.at) for one in mine if one.name == target]
            if did and ((did[0] == start) if once else (start in did)):
                members.append(who)
        row = [len(members)]
        for k in range(1, periods):
            later = start + timedelta(days=k)
            row.append(
                sum(any(day(one.at) == later and one.name == returning for one in people[who]) for who in members)
            )
        table.append(row)
    return table


def lifecycle(events: list[Seen], days: Sequence[date], kept: int = 0) -> dict[str, list[int]]:
    """``kept``: events from before this time were forgotten since, and say only how long a person is known."""
    born = {who: day(mine[0].at) for who, mine in by_person(events).items()}
    found: dict[str, list[int]] = {state: [] for state in ("new", "returning", "resurrecting", "dormant")}
    active = {who: {day(one.at) for one in mine if one.at >= kept} for who, mine in by_person(events).items()}
    for each in days:
        before = each - timedelta(days=1)
        now = [who for who in active if each in active[who]]
        new = [who for who in now if born[who] == each]
        found["new"].append(len(new))
        found["returning"].append(sum(before in active[who] for who in now if who not in new))
        found["resurrecting"].append(sum(before not in active[who] for who in now if who not in new))
        found["dormant"].append(-sum(before in active[who] and each not in active[who] for who in active))
    return found


def stickiness(events: list[Seen], days: Sequence[date]) -> list[int]:
    counts = [len({day(one.at) for one in mine} & set(days)) for mine in by_person(events).values()]
    return [counts.count(number) for number in range(1, len(days) + 1)]


# With what an event carries ------------------------------------------------------------------------------------


class Rich(NamedTuple):
    """One event with what it carries; ``seq`` counts arrivals, "" and None are nothing."""

    at: int
    seq: int
    name: str
    person: str
    plan: str
    amount: int | None
    session: str
    company: str | None  # a group; one without a key is none
    source: str  # where the visitor came from, "$direct" from nowhere


def local(at: int, zone: tzinfo) -> date:
    return datetime.fromtimestamp(at / 1000, zone).date()


def week(day: date, *, sunday: bool) -> date:
    """Give the first day of a day's week."""
    while day.weekday() != (6 if sunday else 0):
        day -= timedelta(days=1)
    return day


def percentile(values: Sequence[float], share: float) -> float:
    """Give the value at a share of the way through the sorted values, between neighbours in proportion."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


SHARES = {"min": 0.0, "median": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99, "max": 1.0}


def aggregate(math: str, values: Sequence[float]) -> float | None:
    if not values:
        return None
    if math in ("sum", "avg"):
        return sum(values) / (len(values) if math == "avg" else 1)
    return percentile(values, SHARES[math])


def measured(math: str, events: Sequence[Rich]) -> float | None:
    """Give the number of an interval that these events lie in."""
    persons = [one.person for one in events]
    if math == "total":
        return len(events)
    if math == "dau":
        return len(set(persons))
    if math == "sessions":
        return len({one.session for one in events if one.session})
    if math == "groups":
        return len({one.company for one in events if one.company})
    if math.endswith("_per_person"):
        return aggregate(math.removesuffix("_per_person"), [persons.count(who) for who in set(persons)])
    return aggregate(math, [one.amount for one in events if one.amount is not None])


def earliest(events: Iterable[Rich], passes: Callable[[Rich], bool], *, ever: bool) -> list[Rich]:
    """Give each person's earliest of the events that pass; ``ever``: the earliest of all, of those that pass."""
    found: dict[str, Rich] = {}
    for one in sorted(events):
        if ever or passes(one):
            found.setdefault(one.person, one)
    return [one for one in found.values() if passes(one)]


def trend(
    math: str, events: list[Rich], days: Sequence[date], display: str, label: Callable[[Rich], str]
) -> dict[str, list[float | None]]:
    """Give the numbers of each series: per day, one in all ("total"), or the sum of the days so far ("cumulative")."""
    if math.startswith("first_time"):
        events, math = earliest(events, lambda one: True, ever=True), "total"
    found: dict[str, list[float | None]] = {}
    for name in {label(one) for one in events}:
        mine = [one for one in events if label(one) == name]
        if math in ("wau", "mau"):
            last = days[-1:] if display == "total" else days
            found[name] = [*trailing(mine, last, 7 if math == "wau" else 30)]
        else:
            spans = [days] if display == "total" else [[each] for each in days]
            found[name] = [measured(math, [one for one in mine if day(one.at) in span]) for span in spans]
        if display == "cumulative":
            found[name] = [*accumulate(number or 0 for number in found[name])]
    return found


def labels(values: Iterable[str], top: int) -> Callable[[str], str]:
    """Give what names the series of a value: the most frequent ones have their own."""
    counts = Counter(value for value in values if value)
    own = sorted(counts, key=lambda value: (-counts[value], value))[:top]
    return lambda value: "None" if not value else value if value in own else "Other"


NUMERIC = ("gt", "gte", "lt", "lte")


def passes(value: str | int | None, operator: str, wanted: Any) -> bool:
    """Tell whether a property's value (None: there is none) passes a filter."""
    if operator in ("is_not", "not_icontains", "not_regex", "is_not_set"):
        without_not = {"is_not": "exact", "is_not_set": "is_set"}.get(operator, operator.removeprefix("not_"))
        return not passes(value, without_not, wanted)
    if value is None or operator == "is_set":
        return value is not None
    if operator in NUMERIC:
        return {"gt": value > wanted, "gte": value >= wanted, "lt": value < wanted, "lte": value <= wanted}[operator]
    if operator == "icontains":
        return wanted.lower() in value.lower()
    return bool(re.search(wanted, value)) if operator == "regex" else value == wanted


def kept(events: Iterable[Rich], least: int, interval: Callable[[int], Any]) -> dict[str, set[Any]]:
    """Give for each person the intervals with so many events at least."""
    counts: dict[tuple[str, Any], int] = {}
    for one in events:
        counts[one.person, interval(one.at)] = counts.get((one.person, interval(one.at)), 0) + 1
    found: dict[str, set[Any]] = {}
    for (person, at), number in counts.items():
        if number >= least:
            found.setdefault(person, set()).add(at)
    return found


def retained(
    target: dict[str, set[date]], returning: dict[str, set[date]], periods: Sequence[date], *, on_or_after: bool
) -> list[list[int]]:
    """Cohorts by period; ``periods`` reaches as far as the last cohort is followed."""
    count = len(periods) // 2
    table = []
    for cohort in range(count):
        members = [who for who, when in target.items() if periods[cohort] in when]
        row = [len(members)]
        for k in range(1, count):
            until = count if on_or_after else k + 1
            later = {periods[cohort + step] for step in range(k, until)}
            row.append(sum(bool(returning.get(who, set()) & later) for who in members))
        table.append(row)
    return table


def mean(table: list[list[int]], running: int, *, simple: bool) -> list[float | None]:
    """Give the mean share of those who came back k periods later, without the period that is running.

    ``simple``: each cohort weighs the same, not each person.
    """
    found: list[float | None] = []
    for k in range(max(map(len, table), default=0)):
        over = [row for c, row in enumerate(table) if len(row) > k and row[0] and (k == 0 or c + k != running)]
        sizes, came = [row[0] for row in over], [row[k] for row in over]
        if simple:
            found.append(aggregate("avg", [part / size for part, size in zip(came, sizes, strict=True)]))
        else:
            found.append(sum(came) / sum(sizes) if over else None)
    return found


def ways(events: Iterable[Rich]) -> dict[tuple[int, str, str | None], int]:
    """How often which page (the plan) was followed by which within a session; the same page in a row is one."""
    found: dict[tuple[int, str, str | None], int] = {}
    sessions: dict[str, list[str]] = {}
    for one in sorted(events):
        if one.session and one.plan:
            pages = sessions.setdefault(one.session, [])
            if not pages or pages[-1] != one.plan:
                pages.append(one.plan)
    for pages in sessions.values():
        for place, page in enumerate(pages):
            key = (place + 1, page, pages[place + 1] if place + 1 < len(pages) else None)
            found[key] = found.get(key, 0) + 1
    return found


def visited(events: Iterable[Rich], days: Sequence[date]) -> dict[str, Any]:
    """Give all that is told of the sessions that began on these days."""
    every: dict[str, list[Rich]] = {}
    for one in sorted(events):
        if one.session:
            every.setdefault(one.session, []).append(one)
    sessions = [mine for mine in every.values() if day(mine[0].at) in days]
    lengths = [mine[-1].at - mine[0].at for mine in sessions]
    views = [sum(one.name == "$pageview" for one in mine) for mine in sessions]
    clicked = [any(one.name == "$autocapture" for one in mine) for mine in sessions]
    pages = [[one.plan for one in mine if one.name == "$pageview" and one.plan] or [None] for mine in sessions]
    came = [mine[0].source if mine[0].source not in ("", "$direct") else None for mine in sessions]
    bounced = [v <= 1 and not c and at < 10_000 for v, c, at in zip(views, clicked, lengths, strict=True)]

    def places(values: list[str | None]) -> list[dict[str, Any]]:
        """The most frequent value first, of those the first in the alphabet, what is none last."""
        pairs = list(zip(values, bounced, strict=True))
        order = sorted({*values}, key=lambda value: (-values.count(value), value is None, value))
        return [{"value": each, "sessions": values.count(each), "bounced": pairs.count((each, True))} for each in order]

    return {
        "sessions": len(sessions),
        "persons": len({mine[0].person for mine in sessions}),
        "average_seconds": sum(lengths) / len(lengths) / 1000 if sessions else None,
        "median_seconds": median(lengths) / 1000 if sessions else None,
        "views_per_session": aggregate("avg", views),
        "bounce_rate": aggregate("avg", bounced),
        "entries": places([mine[0] for mine in pages]),
        "exits": places([mine[-1] for mine in pages]),
        "sources": places(came),
    }
