"""As test_reference.py, for events that carry a plan, an amount and a session: filters, breakdowns, sums, ways."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from beknown_server.cohorts import lifecycle, paths, retention, stickiness
from beknown_server.conversion import conversion
from beknown_server.funnel import funnel, people
from beknown_server.insights import trends
from beknown_server.spans import Zone
from beknown_server.store import Store
from beknown_server.visits import visits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ..conftest import BOTH_ENGINES, NOW
from . import reference
from .conftest import History, ms
from .reference import Rich, Seen

FIRST, LENGTH = date(2026, 10, 29), 8  # New York's clocks go back on the 1st of November
DAYS = [FIRST + timedelta(days=index) for index in range(LENGTH)]
RANGE = {"date_from": FIRST.isoformat(), "date_to": DAYS[-1].isoformat()}
START, DAY, HOUR = ms(FIRST.isoformat()), 86_400_000, 3_600_000
WINDOW = 2 * DAY
NAMES = ("A", "B", "X", "$pageview")

HAPPENED = st.lists(
    st.tuples(
        st.integers(-12, 24 * LENGTH + 12).map(lambda hour: START + hour * HOUR),
        st.sampled_from(NAMES),
        st.sampled_from(("p1", "p2", "p3")),
        st.sampled_from(("", "x", "y")),
        st.one_of(st.none(), st.integers(-2, 3)),
        st.sampled_from(("", "s1", "s2")),
    ),
    min_size=1,
    max_size=25,
)
_projects = count()


@pytest.fixture
def stored(store: Store, tmp_path: Path) -> Callable[[list[Any]], tuple[History, list[Rich]]]:
    """Give what stores a random history in a project of its own."""

    def make(happened: list[Any]) -> tuple[History, list[Rich]]:
        number = next(_projects)
        project = store.create_project("Random", f"bk_rich_{number}", f"bks_rich_{number}", NOW)
        history = History(store, project, tmp_path / "columns")
        events, every = [], []
        for seq, (at, name, person, plan, amount, session) in enumerate(happened):
            carried = {"plan": plan, "$pathname": plan} if plan else {}
            more = {"amount": amount} if amount is not None else {}
            team = {"team": "blue" if person == "p2" else "red"}
            events.append(history.event(name, person, at, session=session or None, set_=team, **carried, **more))
            every.append(Rich(at, seq, name, person, plan, amount, session))
        store.append(project.id, events, NOW)
        return history, every

    return make


few = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PLAN_X = [{"key": "plan", "value": "x"}]
RED = [{"key": "team", "value": "red", "type": "person"}]


def on(events: list[Rich], name: str, each: date) -> list[Rich]:
    return [one for one in events if one.name == name and reference.day(one.at) == each]


@BOTH_ENGINES
@few
@given(happened=HAPPENED)
def test_sums_breakdowns_filters_and_formulas(stored: Any, happened: Any) -> None:
    history, every = stored(happened)

    def series(**body: Any) -> dict[str, list[Any]]:
        answer = history.ask(trends, {**RANGE, "event": "A", **body})
        return {one["label"]: one["data"] for one in answer["series"]}

    amounts = [[one.amount for one in on(every, "A", each) if one.amount is not None] for each in DAYS]
    shares = {"min": 0.0, "median": 0.5, "p75": 0.75, "p90": 0.9, "p99": 0.99, "max": 1.0}
    for math, share in shares.items():
        wanted = [reference.percentile(values, share) for values in amounts]
        assert series(math=math, property="amount")["A"] == pytest.approx(wanted), math
    assert series(math="sum", property="amount")["A"] == [sum(values) if values else None for values in amounts]
    assert series(math="sessions")["A"] == [len({one.session for one in on(every, "A", d)} - {""}) for d in DAYS]
    with_x = [len([one for one in on(every, "A", each) if one.plan == "x"]) for each in DAYS]
    assert series(filters=PLAN_X)["A"] == with_x
    broken = series(breakdown="plan", math="dau")
    for plan in {one.plan for each in DAYS for one in on(every, "A", each)}:
        wanted = [len({one.person for one in on(every, "A", each) if one.plan == plan}) for each in DAYS]
        assert broken.pop(plan or "None") == wanted
    assert not any(any(data) for data in broken.values())
    total = [len(on(every, "A", each)) for each in DAYS]
    of_b = [len(on(every, "B", each)) for each in DAYS]
    formula = series(series=[{"event": "A"}, {"event": "B"}], formula="A / B + 1")["A / B + 1"]
    assert formula == [a / b + 1 if b else None for a, b in zip(total, of_b, strict=True)]
    for math, matching in (("first_time", False), ("first_time_matching", True)):
        wanted = reference.first_time(every, "A", "x", DAYS, matching=matching)
        assert series(math=math, filters=PLAN_X)["A"] == wanted, math
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
    # retention by weeks, with a minimum, on or after
    periods = [weeks[0] + timedelta(weeks=index) for index in range(6)]
    asked = {"target": "A", "returning": "B", "period": "week", "periods": 3, "date_from": RANGE["date_from"]}
    target = reference.kept((one for one in every if one.name == "A"), 1, interval)
    for least in (1, 2):
        returning = reference.kept((one for one in every if one.name == "B"), least, interval)
        for mode in ("on", "on_or_after"):
            found = history.ask(retention, {**asked, "mode": mode, "minimum": least})["cohorts"]
            wanted = reference.retained(target, returning, periods, on_or_after=mode == "on_or_after")
            assert [cohort["values"] for cohort in found] == wanted, (least, mode)
    sticky = reference.kept(inside, 2, lambda at: reference.local(at, zone))
    counts = [len(when) for when in sticky.values()]
    wanted = [counts.count(number) for number in range(1, LENGTH + 1)]
    assert history.ask(stickiness, {**RANGE, "minimum": 2})["data"] == wanted
    states = {one["label"]: one["data"] for one in history.ask(lifecycle, {**RANGE, "interval": "week"})["series"]}
    alive = [
        sum(column) for column in zip(*(states[name] for name in ("new", "returning", "resurrecting")), strict=True)
    ]
    assert alive == answer["series"][0]["data"]  # unique users of the week, within the range
    history.columns.close()


@BOTH_ENGINES
@few
@given(happened=HAPPENED, steps=st.lists(st.sampled_from("AB"), min_size=2, max_size=3), step=st.integers(1, 2))
def test_whose_value_a_funnel_counts_and_who_is_behind_it(stored: Any, happened: Any, steps: Any, step: int) -> None:
    history, every = stored(happened)
    inside = [one for one in every if reference.day(one.at) in DAYS]
    body = {**RANGE, "steps": [{"event": name} for name in steps], "window_days": WINDOW // DAY}
    for attribution in ("first_touch", "last_touch", "all_steps", "step"):
        asked = {**body, "breakdown": "plan", "attribution": attribution, "attribution_step": step}
        answer = history.ask(funnel, asked)["breakdown"]
        found = {one["value"]: [bar["count"] for bar in one["steps"]] for one in answer}
        wanted = reference.broken_down(inside, steps, WINDOW, attribution, step)
        assert found == {value or "None": bars for value, bars in wanted.items()}, attribution
    seen = [Seen(one.at, one.name, one.person) for one in inside]
    reached = reference.bars(map(len, reference.ordered(seen, steps, WINDOW)), len(steps))
    for k, bar in enumerate(reached, 1):
        assert len(history.ask(people, {**body, "step": k})) == bar
        if k > 1:
            assert len(history.ask(people, {**body, "step": k, "who": "dropped"})) == reached[k - 2] - bar
    entered, converted = [0] * LENGTH, [0] * LENGTH
    for mine in reference.by_person(seen).values():
        for place, each in enumerate(DAYS):
            entries = [at for at, one in enumerate(mine) if one.name == steps[0] and reference.day(one.at) == each]
            entered[place] += bool(entries)
            converted[place] += any(reference.converts(mine, steps, WINDOW, at) for at in entries)
    series = {one["label"]: one["data"] for one in history.ask(conversion, body)["series"]}
    assert (series["entered"], series["converted"]) == (entered, converted)
    history.columns.close()


@BOTH_ENGINES
@few
@given(happened=HAPPENED, steps=st.lists(st.sampled_from("ABX"), min_size=2, max_size=3), of_red=st.integers(0, 1))
def test_a_funnel_one_of_whose_steps_only_some_persons_can_do(
    stored: Any, happened: Any, steps: list[str], of_red: int
) -> None:
    history, every = stored(happened)
    rich = [one for one in every if reference.day(one.at) in DAYS]
    # To whom the step is closed it is a step of a name that nothing has.
    closed = [name if place != of_red else "nothing" for place, name in enumerate(steps)]
    teams = [([one for one in rich if (one.person == "p2") == (way is closed)], way) for way in (steps, closed)]
    seen = [([Seen(one.at, one.name, one.person) for one in mine], way) for mine, way in teams]
    asked = [{"event": name, "filters": RED if place == of_red else []} for place, name in enumerate(steps)]
    body = {**RANGE, "steps": asked, "window_days": WINDOW // DAY}
    for order in ("ordered", "strict", "unordered"):
        if order == "unordered":
            if len({*steps}) < len(steps):  # the reference tells such steps apart by their names alone
                continue
            lengths = [length for mine, way in seen for length in reference.unordered(mine, way, WINDOW)]
        else:
            strict = order == "strict"
            lengths = [len(path) for mine, way in seen for path in reference.ordered(mine, way, WINDOW, strict=strict)]
        found = [step["count"] for step in history.ask(funnel, {**body, "order": order})["steps"]]
        assert found == reference.bars(lengths, len(steps)), order
    for attribution in ("first_touch", "last_touch", "all_steps", "step"):
        answer = history.ask(funnel, {**body, "breakdown": "plan", "attribution": attribution})["breakdown"]
        wanted: dict[str, list[int]] = {}
        for mine, way in teams:
            for value, bars in reference.broken_down(mine, way, WINDOW, attribution, 1).items():
                known = wanted.get(value or "None", [0] * len(steps))
                wanted[value or "None"] = [a + b for a, b in zip(known, bars, strict=True)]
        assert {one["value"]: [bar["count"] for bar in one["steps"]] for one in answer} == wanted, attribution
    history.columns.close()


@BOTH_ENGINES
@few
@given(happened=HAPPENED)
def test_ways_and_sessions(stored: Any, happened: Any) -> None:
    # A session is one person's, and lasts at most a day: the second half of it is cut off.
    first = {session: at for at, *_, session in sorted(happened, reverse=True)}
    happened = [one for one in happened if not one[5] or one[0] - first[one[5]] < DAY]
    history, every = stored([(at, name, session or who, *rest, session) for at, name, who, *rest, session in happened])
    views = [one for one in every if one.name == "$pageview" and reference.day(one.at) in DAYS]
    found = history.ask(paths, {**RANGE, "steps": 10})["ways"]
    assert {(way["step"], way["from"], way["to"]): way["visits"] for way in found} == reference.ways(views)
    sessions = [[one for one in sorted(every) if one.session == name] for name in ("s1", "s2")]
    sessions = [one for one in sessions if one and reference.day(one[0].at) in DAYS]
    answer = history.ask(visits, RANGE)
    assert answer["sessions"] == len(sessions)
    lengths = [(one[-1].at - one[0].at) / 1000 for one in sessions]
    assert answer["average_seconds"] == (sum(lengths) / len(lengths) if lengths else None)
    bounced = [
        sum(view.name == "$pageview" for view in one) <= 1 and one[-1].at - one[0].at < 10_000 for one in sessions
    ]
    assert answer["bounce_rate"] == (sum(bounced) / len(bounced) if bounced else None)
    history.columns.close()
