"""Who comes back: retention, lifecycle, stickiness; and the ways through the pages (posthog-server §7.4 to §7.6).

Rules:
- Intervals are calendar intervals in the project's time zone.
- A person begins with the earliest event of any of its ids: after a merge that may be earlier, so somebody "new" may
  cease to be, also in the past.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from .asked import Asked, Matching, Values, filled, refuse
from .insights import Desk
from .spans import LAST, Buckets, after, buckets

PERIODS = 8
MOST_PERIODS = 120
KINDS = ("recurring", "first_time", "first_ever")
STATES = ("new", "returning", "resurrecting", "dormant")
MOST_STEPS = 10
MOST_WAYS = 500


def retention(desk: Desk, body: Any) -> dict[str, Any]:
    """Give ``{"cohorts": [{"start", "size", "values"}], "mean"}``: values[k] came back k periods later.

    A cohort has as many values as periods have begun by today; the last may be incomplete. ``mean``: per k, the
    share of those who could have come back, each person weighing the same.
    """
    asked = Asked(body)
    period = asked.choice("period", ("day", "week", "month"), "day")
    count = asked.whole("periods", PERIODS, least=1, most=MOST_PERIODS)
    first = desk.zone.floor(asked.day("date_from", _back(desk.today, period, count)), period)
    last = after(first, period, 2 * count - 1)  # the last cohort is followed as long as the first
    if last > LAST:
        refuse("date_from", first.isoformat(), f"a day that lies {2 * count} periods before {LAST}")
    calendar = buckets(first, last, period, desk.zone)
    values = Values()
    target, returning = _matching(asked, "target"), _matching(asked, "returning")
    kind, least = asked.choice("kind", KINDS, "recurring"), asked.whole("minimum", 1, least=1, most=1000)
    is_same = target == returning and kind == "recurring" and least == 1
    fragments = {
        "target": filled("retention.same", {}) if is_same else _target(target, kind, calendar, values),
        "period": calendar.sql(),
        "returning": returning.sql(values),
    }
    on_or_after = asked.choice("mode", ("on", "on_or_after"), "on") == "on_or_after"
    rows = desk.ask(
        "retention.after" if on_or_after else "retention",
        fragments,
        values,
        start=calendar.edges[0],
        until=calendar.edges[count],
        stop=calendar.edges[-1],
        periods=count,
        least=least,
    )
    cells = {(cohort, later): persons for cohort, later, persons in rows}
    begun = sum(label <= desk.today.isoformat() for label in calendar.labels)
    table = [[cells.get((c, k), 0) for k in range(min(count, begun - c))] for c in range(min(count, begun))]
    cohorts = [
        {"start": calendar.labels[c], "size": cells.get((c, 0), 0), "values": row} for c, row in enumerate(table)
    ]
    return {"cohorts": cohorts, "mean": _mean(table)}


def _back(today: date, period: str, count: int) -> date:
    return after(today.replace(day=1) if period == "month" else today, period, 1 - count)


def _matching(asked: Asked, name: str) -> Matching:
    """Give which events are meant: an event's name, or an object with event and filters; any, if there is none."""
    return asked.part(name).matching()


def _target(matching: Matching, kind: str, calendar: Buckets, values: Values) -> str:
    match = matching.sql(values)
    if kind == "recurring":
        return filled("retention.recurring", {"period": calendar.sql(), "match": match})
    bare = replace(matching, filters=()).sql(values)
    first, passes = (match, "true") if kind == "first_time" else (bare, f"({match})")
    return filled("retention.first", {"period": calendar.sql(), "first": first, "passes": passes})


def _mean(table: list[list[int]]) -> list[float | None]:
    means: list[float | None] = []
    for k in range(max((len(row) for row in table), default=0)):
        rows = [row for row in table if len(row) > k]
        size = sum(row[0] for row in rows)
        means.append(sum(row[k] for row in rows) / size if size else None)
    return means


def lifecycle(desk: Desk, body: Any) -> dict[str, Any]:
    """Give ``{"labels", "series"}``, a series for each of STATES; those who fell dormant are below zero."""
    asked = Asked(body)
    interval = asked.choice("interval", ("day", "week", "month"), "day")
    days = asked.range(desk.today)
    first = desk.zone.floor(days.first, interval)
    # One interval more: who was active before the range is not new in it.
    calendar = buckets(after(first, interval, -1), days.last, interval, desk.zone)
    values = Values()
    fragments = {
        "match": asked.matching().sql(values),
        "bucket": calendar.sql(),
        "born": calendar.sql("b.timestamp"),
    }
    labels = calendar.labels[1:]
    rows = desk.ask("lifecycle", fragments, values, start=calendar.edges[0], stop=calendar.edges[-1], last=len(labels))
    data = {state: [0] * len(labels) for state in STATES}
    for at, status, persons in rows:
        data[status][at - 1] = -persons if status == "dormant" else persons
    return {"labels": labels, "series": [{"label": state, "data": data[state]} for state in STATES]}


def stickiness(desk: Desk, body: Any) -> dict[str, Any]:
    """Give ``{"labels": [1, 2, ...], "data"}``: persons by the number of intervals in which they were active."""
    asked = Asked(body)
    interval = asked.choice("interval", ("hour", "day", "week", "month"), "day")
    days = asked.range(desk.today)
    calendar = buckets(days.first, days.last, interval, desk.zone)
    values = Values()
    start, stop = days.bounds(desk.zone)
    rows = desk.ask(
        "stickiness",
        {"match": asked.matching().sql(values), "bucket": calendar.sql()},
        values,
        start=start,
        stop=stop,
        least=asked.whole("minimum", 1, least=1, most=1000),
    )
    data = [0] * len(calendar.labels)
    for intervals, persons in rows:
        data[intervals - 1] = persons
    if asked.choice("mode", ("exactly", "or_more"), "exactly") == "or_more":
        data = [sum(data[index:]) for index in range(len(data))]
    return {"labels": list(range(1, len(data) + 1)), "data": data}


def paths(desk: Desk, body: Any) -> dict[str, Any]:
    """Give ``{"ways": [{"step", "from", "to", "visits", "persons"}]}``; to is null where a session ends."""
    asked = Asked(body)
    values = Values()
    start, stop = asked.range(desk.today).bounds(desk.zone)
    fragments = {
        "match": Matching(None, asked.filters()).sql(values),
        "page": values.property_sql("$pathname"),
    }
    steps = asked.whole("steps", 4, least=1, most=MOST_STEPS)
    rows = desk.ask("paths", fragments, values, start=start, stop=stop, steps=steps, most=MOST_WAYS, view="$pageview")
    names = ("step", "from", "to", "visits", "persons")
    return {"ways": [dict(zip(names, row, strict=True)) for row in rows]}
