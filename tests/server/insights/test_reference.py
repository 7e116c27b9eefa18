"""The SQL agrees with the slow, obvious way on random histories, on both databases."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from beknown_server.cohorts import lifecycle, retention, stickiness
from beknown_server.funnel import funnel
from beknown_server.insights import trends, unique
from beknown_server.store import Store
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ..conftest import BOTH_ENGINES, NOW
from . import reference, reference_funnel
from .conftest import History, ms
from .reference import Seen

FIRST, LENGTH = date(2026, 11, 2), 6
DAYS = [FIRST + timedelta(days=index) for index in range(LENGTH)]
RANGE = {"date_from": FIRST.isoformat(), "date_to": DAYS[-1].isoformat()}
START, DAY = ms("2026-11-02"), 86_400_000
WINDOW = 2 * DAY
IDS = ("a1", "a2", "a3", "u1", "u2", "c1")

# Few moments and few names, so that ties, equal steps and ends of windows are common. A third of an event's chance
# lies outside the range on both sides.
AT = st.integers(-6, 4 * (LENGTH + 2)).map(lambda quarter: START + quarter * DAY // 4)
HAPPENINGS = st.lists(st.tuples(AT, st.sampled_from("ABCX"), st.sampled_from(IDS)), min_size=1, max_size=30)
CLAIMS = st.dictionaries(st.sampled_from(("a1", "a2", "a3")), st.sampled_from(("u1", "u2")), max_size=3)
STEPS = st.lists(st.sampled_from("ABC"), min_size=2, max_size=3)

_projects = count()


@pytest.fixture
def histories(store: Store, tmp_path: Path) -> Callable[..., tuple[History, list[Seen]]]:
    """Give what stores a random history in a project of its own, claims between the events."""

    def make(happened: list[tuple[int, str, str]], claims: dict[str, str]) -> tuple[History, list[Seen]]:
        number = next(_projects)
        project = store.create_project("Random", f"bk_{number}", f"bks_{number}", NOW)
        history = History(store, project, tmp_path / "columns")
        half = len(happened) // 2
        for at, name, who in happened[:half]:
            history.happens(name, who, at)
        if half:
            history.ask(unique, RANGE)  # the copy knows the first half before the claims come
        for anonymous, user in claims.items():
            history.happens("$identify", user, START - 20 * DAY, anon=anonymous)
        for at, name, who in happened[half:]:
            history.happens(name, who, at)
        return history, sorted(Seen(at, name, claims.get(who, who)) for at, name, who in happened)

    return make


random_histories = given(happened=HAPPENINGS, claims=CLAIMS, steps=STEPS)
few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@BOTH_ENGINES
@few
@random_histories
def test_trends_and_comings_back(histories: Any, happened: Any, claims: Any, steps: Any) -> None:
    history, every = histories(happened, claims)
    named = [one for one in every if one.name == "A"]

    def data(**body: Any) -> Any:
        return history.ask(trends, {**RANGE, "event": "A", **body})["series"][0]["data"]

    assert data(math="dau") == reference.dau(named, DAYS)
    assert data(math="wau") == reference.trailing(named, DAYS, 7)
    assert data(math="mau") == reference.trailing(named, DAYS, 30)
    inside = {one.person for one in named if reference.day(one.at) in DAYS}
    assert history.ask(unique, {**RANGE, "event": "A"}) == len(inside)
    asked = {"target": steps[0], "returning": steps[1], "date_from": RANGE["date_from"], "periods": 4}
    for kind, once in (("recurring", False), ("first_time", True)):
        answer = history.ask(retention, {**asked, "kind": kind})["cohorts"]
        wanted = reference.retention(every, FIRST, 4, steps[0], steps[1], once=once)
        assert [cohort["values"] for cohort in answer] == wanted
    assert history.ask(stickiness, {**RANGE, "event": "A"})["data"] == reference.stickiness(named, DAYS)
    claimed = [Seen(START - 20 * DAY, "$identify", user) for user in claims.values()]
    series = history.ask(lifecycle, RANGE)["series"]
    assert {one["label"]: one["data"] for one in series} == reference.lifecycle([*every, *claimed], DAYS)
    history.forgets(START + DAY)
    series = history.ask(lifecycle, RANGE)["series"]
    assert {one["label"]: one["data"] for one in series} == reference.lifecycle([*every, *claimed], DAYS, START + DAY)
    history.columns.close()


@BOTH_ENGINES
@few
@random_histories
def test_funnels(histories: Any, happened: Any, claims: Any, steps: Any) -> None:
    history, every = histories(happened, claims)
    inside = [one for one in every if reference.day(one.at) in DAYS]
    body = {**RANGE, "steps": [{"event": name} for name in steps], "window_days": WINDOW // DAY}

    def answer(**more: Any) -> list[list[float | None]]:
        found = history.ask(funnel, {**body, **more})["steps"]
        return [[one[name] for one in found] for name in ("count", "median_seconds", "average_seconds")]

    for order in ("ordered", "strict"):
        strict = order == "strict"
        paths = reference_funnel.chosen(inside, steps, WINDOW, strict=strict)
        counts, medians, means = answer(order=order)
        assert counts == reference_funnel.bars(map(len, paths), len(steps)), order
        assert medians == reference_funnel.times(paths, len(steps), statistics.median), order
        assert means == pytest.approx(reference_funnel.times(paths, len(steps), statistics.mean)), order
        for wrong in ([(1, len(steps))], [(1, 2)], [(len(steps) - 1, len(steps))]):
            exclusions = [{"event": "X", "from": first, "to": last} for first, last in wrong]
            clean = reference_funnel.lengths(inside, steps, WINDOW, [("X", *each) for each in wrong], strict=strict)
            found = answer(order=order, exclusions=exclusions)[0]
            assert found == reference_funnel.bars(clean, len(steps)), (order, wrong)
    if len(set(steps)) == len(steps):
        lengths = reference_funnel.unordered(inside, steps, WINDOW)
        assert answer(order="unordered")[0] == reference_funnel.bars(lengths, len(steps))
    history.columns.close()
