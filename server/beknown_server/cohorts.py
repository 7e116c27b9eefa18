"""Who comes back: retention, lifecycle, stickiness; and the ways through the pages (posthog-server §7.4 to §7.6).

Rules:
- Intervals are calendar intervals in the project's time zone.
- A person begins when the first of its ids was first seen: after a merge that may be earlier, so somebody "new" may
  cease to be, also in the past. What is older than the retention period has gone, and still nobody is new again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .asked import Asked, Matching, Values, code_of, filled, refuse
from .insights import Desk
from .spans import LAST, Buckets, after, back, buckets

PERIODS = 8
MOST_PERIODS = 120
MEANS = ("weighted", "simple")
KINDS = ("recurring", "first_time", "first_ever")
STATES = ("new", "returning", "resurrecting", "dormant")
MOST_STEPS = 10
# A set of periods as bits of a number, or, where that is too short, of a string of bits.
FEW = 126
OF_FEW = {"of": "bit_or(1::hugeint << period::hugeint)", "has": "({bits} >> ({at})::hugeint) & 1 = 1"}
OF_MANY = {"of": "bitstring_agg(period, 0, {size})", "has": "get_bit({bits}, ({at})::int) = 1"}
MOST_WAYS = 500


def retention(desk: Desk, body: Any) -> dict[str, Any]:
    """Give ``{"cohorts": [{"start", "size", "values", "unfinished"}], "mean"}``: values[k] came back k periods later.

    A cohort has as many values as periods have begun by today; ``unfinished``: the last one's is not over. ``mean``:
    per k, the share of those whose period is over, each person weighing the same (or, ``mean: simple``, each cohort).
    """
    asked = Asked(body)
    period = asked.choice("period", ("day", "week", "month"), "day")
    count = asked.whole("periods", PERIODS, least=1, most=MOST_PERIODS)
    first = desk.zone.floor(asked.day("date_from", back(desk.today, period, count)), period)
    last = after(first, period, 2 * count - 1)  # the last cohort is followed as long as the first
    if last > LAST:
        refuse("date_from", first.isoformat(), f"a day that lies {2 * count} periods before {LAST}")
    calendar = buckets(first, last, period, desk.zone)
    values = Values()
    on_or_after = asked.choice("mode", ("on", "on_or_after"), "on") == "on_or_after"
    counted = {"later": "max(later)", "each": ""} if on_or_after else {"later": "later", "each": ", later"}
    rows = desk.ask(
        "retention",
        _sets(asked, calendar, values) | counted,
        values,
        start=calendar.edges[0],
        stop=calendar.edges[-1],
        periods=count,
        least=asked.whole("minimum", 1, least=1, most=1000),
    )
    cells = {(cohort, later): persons for cohort, later, persons in rows}
    begun = sum(label <= desk.today.isoformat() for label in calendar.labels)
    whole = [[cells.get((c, k), 0) for k in range(count)] for c in range(min(count, begun))]
    if on_or_after:
        whole = [[row[0], *(sum(row[k:]) for k in range(1, count))] for row in whole]
    table = [row[: begun - c] for c, row in enumerate(whole)]
    now = desk.zone.floor(desk.today, period).isoformat()
    running = calendar.labels.index(now) if now in calendar.labels else -1
    cohorts = [
        {"start": calendar.labels[c], "size": row[0], "values": row, "unfinished": c + len(row) - 1 == running}
        for c, row in enumerate(table)
    ]
    simple = asked.choice("mean", MEANS, "weighted") == "simple"
    return {"cohorts": cohorts, "mean": _mean(table, running, simple=simple)}


def _matching(asked: Asked, name: str) -> Matching:
    """Give which events are meant: an event's name, or an object with event and filters; any, if there is none."""
    return asked.part(name).matching()


def _sets(asked: Asked, calendar: Buckets, values: Values) -> dict[str, str]:
    """Give the SQL of the two sets of periods that each person has: of the target, and of the returning event."""
    bits = OF_MANY if len(calendar.labels) > FEW else OF_FEW
    target, returning = _matching(asked, "target"), _matching(asked, "returning")
    kind, least = asked.choice("kind", KINDS, "recurring"), asked.whole("minimum", 1, least=1, most=1000)
    period = {"bits": bits["of"].format(size=len(calendar.labels)), "period": calendar.sql()}
    again = "retention.active" if least == 1 else "retention.least"
    pair = filled("retention.same", {})
    if target != returning or kind != "recurring" or least != 1:
        match = target.sql(values)
        first, passes = (match, "true") if kind == "first_time" else (replace(target, filters=()).sql(values), match)
        how = "retention.active" if kind == "recurring" else "retention.first"
        pair = filled(
            "retention.pair", {"target": filled(how, {**period, "match": match, "first": first, "passes": passes})}
        )
    return {
        "active": filled(again, {**period, "match": returning.sql(values)}),
        "pair": pair,
        "is_member": bits["has"].format(bits="cohorts", at="cohort"),
        "is_back": bits["has"].format(bits="periods", at="cohort + later"),
    }


def _mean(table: list[list[int]], running: int, *, simple: bool) -> list[float | None]:
    """Give the mean share per k; that of a period that is still running would only fall short."""
    means: list[float | None] = []
    for k in range(max((len(row) for row in table), default=0)):
        rows = [row for c, row in enumerate(table) if len(row) > k and row[0] and (k == 0 or c + k != running)]
        if simple:
            means.append(sum(row[k] / row[0] for row in rows) / len(rows) if rows else None)
        else:
            means.append(sum(row[k] for row in rows) / sum(row[0] for row in rows) if rows else None)
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
    begin, stop = days.bounds(desk.zone)
    edges = {"start": calendar.edges[0], "until": calendar.edges[1], "first": begin, "stop": stop}
    rows = desk.ask("lifecycle", fragments, values, **edges, last=len(labels))
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
    rows = desk.ask(
        "paths", fragments, values, start=start, stop=stop, steps=steps, most=MOST_WAYS, view=code_of("$pageview")
    )
    names = ("step", "from", "to", "visits", "persons")
    return {"ways": [dict(zip(names, row, strict=True)) for row in rows]}
