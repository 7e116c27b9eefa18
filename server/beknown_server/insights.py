"""Unique users and trends: how many, by resolved person, as known now (posthog-server §7.1, §7.2).

Rules:
- A question is checked (asked.py), its calendar computed (spans.py), then one named SQL file answers it.
- A person is counted by the ids' person at the time of asking: a merge changes yesterday's figures too.
- Events that are about no person (a group, a flag) count as events, never as somebody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import accumulate
from typing import Any, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .asked import Asked, Matching, Range, Values, refuse
from .errors import Unusable
from .formula import LETTERS, Number, finite, parsed
from .spans import INTERVALS, Buckets, Zone, buckets

TIME_ZONE = "UTC"  # of a project that has chosen none
TOP = 25  # values of a breakdown that get a series of their own (posthog-server §7.2)
MOST_SERIES = 10
OTHER, NONE = "Other", "None"

PERCENTILES = {"p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99}
AGGREGATES = {
    **{name: name + "({x})" for name in ("sum", "avg", "min", "max", "median")},
    **{name: f"quantile_cont({{x}}, {share})" for name, share in PERCENTILES.items()},
}
PER_PERSON = "_per_person"
TRAILING = {"wau": 7, "mau": 30}  # calendar days that end with the bucket's last day
STRETCH = 96  # days and a month before them: what fits into 127 bits (questions/trends.trailing.sql)
FIRST_TIME = {"first_time": "plain", "first_time_matching": "matching"}
COUNTS = {"total": "count(*)", "dau": "count(distinct person)", "sessions": "count(distinct session)"}
GROUPS = "groups"  # different groups of a type that have the event; events with an empty key are nobody's
DISPLAYS = ("series", "total", "cumulative")
MATHS = (
    *COUNTS,
    GROUPS,
    *TRAILING,
    *FIRST_TIME,
    *AGGREGATES,
    *(name + PER_PERSON for name in AGGREGATES if name != "sum"),
)


class Reading(Protocol):
    """What answers named questions: see columns.Reading."""

    def ask(self, question: str, fragments: dict[str, str] | None = None, **values: Any) -> list[tuple[Any, ...]]: ...
    def load(self, table: str, columns: str, rows: Any) -> None: ...


class People(Protocol):
    """What gives persons' properties as they are now: (person, key, text) for these keys."""

    def __call__(self, keys: list[str]) -> Iterable[tuple[int, str, str]]: ...


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a question is answered: the reading, persons' properties, the project's calendar, today's date there."""

    reading: Reading
    people: People
    zone: Zone
    today: date
    loaded: set[str] = field(default_factory=set)  # keys of persons' properties that are in the reading

    def ask(self, question: str, fragments: dict[str, str], values: Values, **more: Any) -> list[tuple[Any, ...]]:
        """Give the rows of a question, with persons' properties at hand if its conditions ask for any."""
        if not values.person_keys <= self.loaded:
            self.loaded.update(values.person_keys)
            rows = self.people(sorted(self.loaded))
            self.reading.load("person_property", '[{"person":"BIGINT","key":"VARCHAR","value":"VARCHAR"}]', rows)
        return self.reading.ask(question, fragments, **values, **more)


def zone_of(options: Mapping[str, Any]) -> Zone:
    """Give a project's calendar from its options ``timezone`` and ``week_start`` (sunday, the default, or monday)."""
    name = str(options.get("timezone") or TIME_ZONE)
    try:
        zone = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        advice = "Choose one such as Europe/Berlin in the project's settings."
        raise Unusable("unknown_time_zone", f"{name[:60]!r} is no time zone.", fix=advice) from None
    return Zone(zone, options.get("week_start") != "monday")


def unique(desk: Desk, body: Any) -> int:
    """Give how many persons had an event that matches, in a range of days."""
    asked = Asked(body)
    values = Values()
    start, stop = asked.range(desk.today).bounds(desk.zone)
    match = asked.matching().sql(values)
    return int(desk.ask("unique", {"match": match}, values, start=start, stop=stop)[0][0])


@dataclass(frozen=True, slots=True)
class Trend:
    """One series that was asked for."""

    matching: Matching
    math: str
    property: str
    group: str
    breakdown: str | None
    of_person: bool


def trends(desk: Desk, body: Any) -> dict[str, Any]:
    """Give ``{"labels", "series": [{"label", "data"}]}``: one number per interval.

    ``display``: "total" gives one in all (of persons: different ones), "cumulative" the sum of the intervals so far.
    """
    asked = Asked(body)
    days = asked.range(desk.today)
    interval = asked.choice("interval", INTERVALS, "day")
    chart = _Chart(desk, days, buckets(days.first, days.last, interval, desk.zone), interval)
    display = asked.choice("display", DISPLAYS, "series")
    if display == "total":
        edges = list(days.bounds(desk.zone))
        chart = replace(chart, buckets=Buckets([f"{days.first} to {days.last}"], edges), interval="day")
    many = asked.items("series", most=MOST_SERIES)
    wanted = [_trend(one, interval) for one in many or [asked]]
    formula = parsed(asked.text("formula"), LETTERS[: len(wanted)]) if asked.has("formula") else None
    if formula and any(one.breakdown for one in wanted):
        refuse("formula", asked.text("formula"), "used together with a breakdown")
    found = [series for one in wanted for series in chart.series(one)]
    if formula:
        rows = zip(*(one["data"] for one in found), strict=True)
        data = [formula(dict(zip(LETTERS, row, strict=False))) for row in rows]
        found = [{"label": asked.text("formula"), "data": data}]
    if display == "cumulative":
        sums = (accumulate(number or 0 for number in one["data"]) for one in found)
        found = [{**one, "data": list(map(finite, numbers))} for one, numbers in zip(found, sums, strict=True)]
    return {"labels": chart.buckets.labels, "series": found}


def _trend(asked: Asked, interval: str) -> Trend:
    math = asked.choice("math", MATHS, "total")
    if math in TRAILING and interval == "hour":
        refuse("interval", interval, "day, week or month for wau and mau")
    return Trend(
        matching=asked.matching(),
        math=math,
        property=asked.text("property") if math in AGGREGATES else "",
        group=asked.text("group") if math == GROUPS else "",
        breakdown=asked.text("breakdown") if asked.has("breakdown") else None,
        of_person=asked.choice("breakdown_type", ("event", "person"), "event") == "person",
    )


@dataclass(frozen=True, slots=True)
class _Chart:
    """The buckets of one answer, and how each kind of math fills them."""

    desk: Desk
    days: Range
    buckets: Buckets
    interval: str

    def series(self, trend: Trend) -> list[dict[str, Any]]:
        """Give the series of a trend: one, or one per value of its breakdown."""
        values = Values()
        match = trend.matching.sql(values)
        labels, series = self._breakdown(trend, values, match)
        fragments = {"series": series, "match": match, "bucket": self.buckets.sql(), "only": ""}
        rows = self._rows(trend, fragments, values)
        empty: Number = 0 if trend.math in (*COUNTS, GROUPS, *FIRST_TIME, *TRAILING) else None
        data: dict[int, list[Number]] = {index: [empty] * len(self.buckets.labels) for index in labels}
        for index, bucket, number in rows:
            data[index][bucket] = finite(number)
        return [{"label": label, "data": data[index]} for index, label in labels.items()]

    def _breakdown(self, trend: Trend, values: Values, match: str) -> tuple[dict[int, str], str]:
        """Give the label of each series by its number, and the SQL that gives an event's number."""
        if trend.breakdown is None:
            return {0: trend.matching.label}, "0"
        value = values.property_sql(trend.breakdown, person=trend.of_person)
        start, stop = self.days.bounds(self.desk.zone)
        asked = {"value": value, "match": match}
        rows = self.desk.ask("trends.values", asked, values, start=start, stop=stop, most=TOP + 2)
        named = [row[0] for row in rows if row[0] is not None]
        labels = dict(enumerate(named[:TOP]))
        whens = [f"when {value} is null then {TOP + 1}"]
        whens += [f"when {value} = {values.bind(name)} then {index}" for index, name in labels.items()]
        if len(named) > TOP:
            labels[TOP] = OTHER
        if len(named) < len(rows):
            labels[TOP + 1] = NONE
        if trend.math in FIRST_TIME or trend.math in TRAILING:  # these look at events outside the range too
            labels.setdefault(TOP, OTHER)
            labels.setdefault(TOP + 1, NONE)
        return labels, f"(case {' '.join(whens)} else {TOP} end)"

    def _rows(self, trend: Trend, fragments: dict[str, str], values: Values) -> list[tuple[Any, ...]]:
        start, stop = self.days.bounds(self.desk.zone)
        math = trend.math
        if math in TRAILING:
            return self._trailing(TRAILING[math], fragments, values)
        if math in FIRST_TIME:
            matching = math == "first_time_matching"
            name = replace(trend.matching, filters=()).sql(values)
            fragments |= {"first": fragments["match"] if matching else name, "passes": fragments["match"]}
            return self.desk.ask("trends.first_time", fragments, values, start=start, stop=stop)
        if math.endswith(PER_PERSON):
            fragments["measure"] = AGGREGATES[math.removesuffix(PER_PERSON)].format(x="value")
            return self.desk.ask("trends.per_person", fragments, values, start=start, stop=stop)
        fragments["measure"] = COUNTS.get(math, "")
        if math == GROUPS:
            group = values.property_sql("$groups", trend.group)
            fragments["measure"] = f"count(distinct nullif({group}, ''))"
        if math in AGGREGATES:
            # A number, or text that reads as one; NaN and infinities are none (DuckDB would take the words).
            x = f"try_cast({values.property_sql(trend.property)} as double)"
            fragments["measure"] = AGGREGATES[math].format(x=x)
            fragments["only"] = f" and isfinite({x})"
        return self.desk.ask("trends", fragments, values, start=start, stop=stop)

    def _trailing(self, length: int, fragments: dict[str, str], values: Values) -> list[tuple[Any, ...]]:
        first = self.days.first - timedelta(days=length - 1)
        read = buckets(first, self.days.last, "day", self.desk.zone)
        ends_of_days = len(read.labels) - length + 1
        stretch = min(ends_of_days, STRETCH)
        rows = self.desk.ask(
            "trends.trailing",
            fragments | {"day": read.sql()},
            values,
            start=read.edges[0],
            stop=read.edges[-1],
            length=length,
            stretch=stretch,
            stretches=-(-ends_of_days // stretch),
        )
        ends = {read.index(min(edge, read.edges[-1]) - 1): index for index, edge in enumerate(self.buckets.edges[1:])}
        return [(series, ends[day], number) for series, day, number in rows if day in ends]
