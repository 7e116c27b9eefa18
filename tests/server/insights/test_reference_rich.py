"""As test_reference.py, for events that carry something: every way to count, filters, breakdowns, returns, sessions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from beknown_server import insights
from beknown_server.asked import OPERATORS
from beknown_server.cohorts import lifecycle, paths, retention, stickiness
from beknown_server.insights import DISPLAYS, MATHS, trends
from beknown_server.spans import Zone
from beknown_server.visits import visits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ..conftest import BOTH_ENGINES
from . import reference
from .conftest import TEAMS, ms
from .reference import Rich

FIRST, LENGTH = date(2026, 10, 29), 8  # New York's clocks go back on the 1st of November
DAYS = [FIRST + timedelta(days=index) for index in range(LENGTH)]
RANGE = {"date_from": FIRST.isoformat(), "date_to": DAYS[-1].isoformat()}
START, DAY, HOUR = ms(FIRST.isoformat()), 86_400_000, 3_600_000


def events(names: Sequence[str], at: st.SearchStrategy[int]) -> st.SearchStrategy[Rich]:
    return st.builds(
        Rich,
        at=at,
        seq=st.just(0),
        name=st.sampled_from(names),
        person=st.sampled_from(("p1", "p2", "p3")),
        plan=st.sampled_from(("", "x", "Xy")),
        amount=st.one_of(st.none(), st.integers(-2, 3)),
        session=st.sampled_from(("", "s1", "s2")),
        company=st.sampled_from((None, "", "acme", "globex")),
        source=st.sampled_from(("", "mail", "x.example", "$direct")),
    )


def times(step: int) -> st.SearchStrategy[int]:
    """Give times of the range, so many milliseconds from each other, and half a day more on both sides."""
    return st.integers(-DAY // 2 // step, (LENGTH * DAY + DAY // 2) // step).map(lambda number: START + number * step)


def visit(one: Rich, day: int, after: int) -> Rich:
    """Give an event of one of a day's two sessions, or of none; it may begin on the day before, and bounce."""
    return one._replace(at=START + day * DAY + after, session=one.session and f"{one.session} {day}")


HAPPENED = st.lists(events("AAABBX", times(HOUR)), min_size=12, max_size=30)
VISITED = st.lists(
    st.builds(
        visit,
        events(("$pageview", "$autocapture", "A"), st.just(0)),
        st.sampled_from((0, 1, LENGTH - 1, LENGTH)),
        st.sampled_from((-5_000, 4_999, 5_000)),
    ),
    min_size=12,
    max_size=30,
)
few = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PLAN_X = [{"key": "plan", "value": "x"}]


def on(events: list[Rich], name: str, each: date) -> list[Rich]:
    return [one for one in events if one.name == name and reference.day(one.at) == each]


def shown(series: dict[str, list[Any]]) -> dict[str, Any]:
    """Leave out the series in which nothing is: of some values there is one all the same."""
    return {label: pytest.approx(data) for label, data in series.items() if any(data)}


@BOTH_ENGINES
@few
@given(
    happened=HAPPENED,
    display=st.sampled_from(DISPLAYS),
    by=st.sampled_from((None, "event", "person")),
    top=st.sampled_from((1, 25)),
)
def test_every_way_to_count(
    stored: Any, monkeypatch: pytest.MonkeyPatch, happened: Any, display: str, by: str | None, top: int
) -> None:
    monkeypatch.setattr(insights, "TOP", top)
    history, every = stored(happened)
    named = [one for one in every if one.name == "A"]

    def value(one: Rich) -> str:
        return one.plan if by == "event" else TEAMS.get(one.person, "")

    called = reference.labels((value(one) for one in named if reference.day(one.at) in DAYS), top)
    asked = {**RANGE, "event": "A", "property": "amount", "group": "company", "display": display}
    if by:
        asked |= {"breakdown": "plan" if by == "event" else "team", "breakdown_type": by}
    for math in MATHS:
        answer = history.ask(trends, {**asked, "math": math})["series"]
        wanted = reference.trend(math, named, DAYS, display, lambda one: called(value(one)) if by else "A")
        assert {one["label"]: one["data"] for one in answer if any(one["data"])} == shown(wanted), math
    history.columns.close()


@BOTH_ENGINES
@few
@given(
    happened=HAPPENED,
    text=st.sampled_from(("x", "Xy", "E", "^x|d$")),  # a pattern, too
    number=st.sampled_from((-1, 0, 1.5)),
)
def test_every_filter(stored: Any, happened: Any, text: str, number: float) -> None:
    history, every = stored(happened)
    inside = [one for one in every if reference.day(one.at) in DAYS]
    values: dict[tuple[str, str], Callable[[Rich], Any]] = {
        ("plan", "event"): lambda one: one.plan or None,
        ("team", "person"): lambda one: TEAMS.get(one.person),
        ("amount", "event"): lambda one: one.amount,
    }
    for (key, kind), value in values.items():
        for operator in OPERATORS if key != "amount" else reference.NUMERIC:
            if key != "amount" and operator in reference.NUMERIC:
                continue
            wanted = number if key == "amount" else text
            asked = {"key": key, "type": kind, "operator": operator, "value": wanted}
            found = history.ask(trends, {**RANGE, "display": "total", "filters": [asked]})["series"][0]["data"]
            assert found == [sum(reference.passes(value(one), operator, wanted) for one in inside)], asked
    history.columns.close()


@BOTH_ENGINES
@few
@given(happened=HAPPENED)
def test_formulas_and_first_times_with_a_filter(stored: Any, happened: Any) -> None:
    history, every = stored(happened)

    def data(**body: Any) -> list[Any]:
        return history.ask(trends, {**RANGE, "event": "A", **body})["series"][0]["data"]

    total = [len(on(every, "A", each)) for each in DAYS]
    of_b = [len(on(every, "B", each)) for each in DAYS]
    formula = data(series=[{"event": "A"}, {"event": "B"}], formula="A / B + 1")
    assert formula == [a / b + 1 if b else None for a, b in zip(total, of_b, strict=True)]
    named = [one for one in every if one.name == "A"]
    for math, ever in (("first_time", True), ("first_time_matching", False)):
        firsts = reference.earliest(named, lambda one: one.plan == "x", ever=ever)
        assert data(math=math, filters=PLAN_X) == [len(on(firsts, "A", each)) for each in DAYS], math
    history.columns.close()


@BOTH_ENGINES
@few
@given(happened=HAPPENED, sunday=st.booleans(), place=st.sampled_from(("America/New_York", "Pacific/Auckland")))
def test_days_and_weeks_where_the_clocks_change(stored: Any, happened: Any, sunday: bool, place: str) -> None:
    history, every = stored(happened)
    zone = ZoneInfo(place)
    history.zone = Zone(zone, sunday)

    def interval(at: int) -> date:
        return reference.week(reference.local(at, zone), sunday=sunday)

    inside = [one for one in every if reference.local(one.at, zone) in DAYS]
    answer = history.ask(trends, {**RANGE, "math": "dau"})
    assert answer["series"][0]["data"] == [
        len({one.person for one in every if reference.local(one.at, zone) == each}) for each in DAYS
    ]
    answer = history.ask(trends, {**RANGE, "math": "dau", "interval": "week"})
    weeks = sorted({reference.week(each, sunday=sunday) for each in DAYS})
    assert answer["labels"] == [each.isoformat() for each in weeks]
    assert answer["series"][0]["data"] == [len({one.person for one in inside if interval(one.at) == w}) for w in weeks]
    hours = history.ask(trends, {"date_from": "2026-11-01", "date_to": "2026-11-01", "interval": "hour"})
    on_it = [one for one in every if reference.local(one.at, zone) == date(2026, 11, 1)]
    assert sum(hours["series"][0]["data"]) == len(on_it)
    if place == "America/New_York":
        assert len(hours["labels"]) == 25
    sticky = reference.kept(inside, 2, lambda at: reference.local(at, zone))
    counts = [len(when) for when in sticky.values()]
    for mode, holds in (("exactly", int.__eq__), ("or_more", int.__ge__)):
        wanted = [sum(holds(had, number) for had in counts) for number in range(1, LENGTH + 1)]
        assert history.ask(stickiness, {**RANGE, "minimum": 2, "mode": mode})["data"] == wanted, mode
    states = {one["label"]: one["data"] for one in history.ask(lifecycle, {**RANGE, "interval": "week"})["series"]}
    alive = [
        sum(column) for column in zip(*(states[name] for name in ("new", "returning", "resurrecting")), strict=True)
    ]
    assert alive == answer["series"][0]["data"]  # unique users of the week, within the range
    history.columns.close()


@BOTH_ENGINES
@few
@given(
    happened=HAPPENED,
    period=st.sampled_from(("day", "week", "month")),
    today=st.sampled_from([*DAYS, date(2027, 11, 30)]),
    least=st.integers(1, 2),
    simple=st.booleans(),
)
def test_who_comes_back(stored: Any, happened: Any, period: str, today: date, least: int, simple: bool) -> None:
    history, every = stored(happened)
    zone = ZoneInfo("America/New_York")
    history.zone, history.today = Zone(zone, sunday=True), today
    start = {"day": lambda day: day, "week": lambda day: reference.week(day, sunday=True), "month": _month}[period]

    def interval(at: int) -> date:
        return start(reference.local(at, zone))

    count = 3
    periods = sorted({start(FIRST + timedelta(days=number)) for number in range(200)})[: 2 * count]
    running = periods.index(start(today)) if start(today) in periods else len(periods)
    targets = [one for one in every if one.name == "A"]
    returning = reference.kept((one for one in every if one.name == "B"), least, interval)
    asked = {"target": {"event": "A", "filters": PLAN_X}, "returning": "B", "period": period, "periods": count}
    asked |= {"date_from": RANGE["date_from"], "minimum": least, "mean": "simple" if simple else "weighted"}
    for kind in ("recurring", "first_time", "first_ever"):
        members = [one for one in targets if one.plan == "x"]
        if kind != "recurring":
            members = reference.earliest(targets, lambda one: one.plan == "x", ever=kind == "first_ever")
        for mode in ("on", "on_or_after"):
            answer = history.ask(retention, {**asked, "kind": kind, "mode": mode})
            target = reference.kept(members, 1, interval)
            table = reference.retained(target, returning, periods, on_or_after=mode == "on_or_after")
            table = [row[: running + 1 - c] for c, row in enumerate(table) if c <= running]
            assert [cohort["values"] for cohort in answer["cohorts"]] == table, (kind, mode)
            unfinished = [len(row) - 1 + c == running for c, row in enumerate(table)]
            assert [cohort["unfinished"] for cohort in answer["cohorts"]] == unfinished
            assert answer["mean"] == pytest.approx(reference.mean(table, running, simple=simple)), (kind, mode)
    history.columns.close()


def _month(day: date) -> date:
    return day.replace(day=1)


@BOTH_ENGINES
@few
@given(happened=VISITED)
def test_ways_and_sessions(stored: Any, happened: Any) -> None:
    history, every = stored(happened)
    views = [one for one in every if one.name == "$pageview" and reference.day(one.at) in DAYS]
    found = history.ask(paths, {**RANGE, "steps": 10})["ways"]
    assert {(way["step"], way["from"], way["to"]): way["visits"] for way in found} == reference.ways(views)
    assert history.ask(visits, RANGE) == reference.visited(every, DAYS)
    history.columns.close()
