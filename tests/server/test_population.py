"""bench/population judges rightly: its measures on cases with known answers, and its five ways on a small town."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def population() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[2] / "bench")
        yield importlib.import_module("population")


def event(population: Any, day: int, visit: int, truth: int, distinct_id: str, **more: Any) -> Any:
    at = population.START + day * population.DAY
    return population.Happened(at, at, visit, truth, distinct_id, ("home", "firefox"), True, **more)


def test_precision_recall_and_errors_of_a_case_that_can_be_counted_by_hand(population: Any) -> None:
    trace = [
        event(population, day, day, truth, str(said))
        for day, truth, said in [(0, 1, 1), (1, 1, 1), (2, 1, 2), (3, 2, 2)]
    ]
    found = population.judged(trace, population.raw_ids(trace), 7)
    # Said to be one: (0, 1) and (2, 3), of which the first is true. Truly one: three pairs among the first three.
    assert (found["precision"], found["recall"]) == (0.5, pytest.approx(1 / 3, abs=1e-4))
    assert (found["unique"], found["dau"]) == (0, 0)


def test_whoever_says_the_truth_is_right_in_everything(population: Any) -> None:
    town = population.Town(population.World(), 60, 14, 7)
    right = population.judged(town.trace, lambda one: one.truth, 14)
    assert right == {"precision": 1, "recall": 1, "unique": 0, "dau": 0, "wau": 0}


def test_the_same_seed_is_the_same_town(population: Any) -> None:
    one, two = (population.Town(population.World(), 40, 14, 3).trace for _ in range(2))
    assert one == two


@pytest.mark.parametrize("two_tabs", [0, 1])
def test_without_trouble_everybody_who_logs_in_is_known(population: Any, two_tabs: float) -> None:
    calm = population.replace(population.World(), **population.TROUBLES["no trouble at all"] | {"two_tabs": two_tabs})
    town = population.Town(calm, 120, 28, 5)
    for way in (population.beknown, population.posthog):
        found = population.judged(town.trace, way(town.trace), 28)
        assert found["precision"] == 1
        assert found["recall"] > 0.97


def test_of_two_tabs_each_follows_at_its_next_call_what_was_done_in_the_other(population: Any) -> None:
    world = population.World(two_tabs=1, late=1, logs_out=1, blocked=0)
    visits: dict[int, list[Any]] = {}
    for one in population.Town(world, 60, 14, 7).trace:
        if one.place != population.SERVER:
            visits.setdefault(one.visit, []).append(one)
    changes = set()
    for visit in visits.values():
        looked = [one for one in visit if not (one.claims or one.named)]  # the rest are log-ins, in the first tab
        assert looked == sorted(looked, key=lambda one: one.at)
        assert [one.tab for one in looked] == [0, 1] * (len(looked) // 2)
        ids = [name for name, _ in groupby(visit, key=lambda one: one.distinct_id)]
        assert len(ids) == len(set(ids))  # neither tab says anything as whom the visitor was before
        other = [one for one in looked if one.tab == 1]
        changes |= {after.personal - before.personal for before, after in pairwise(other)}
    assert changes == {0, 1, -1}  # the other tab was logged in, and out
    assert population.TROUBLES["two tabs"]["two_tabs"] > population.World().two_tabs > 0


def test_an_unseen_user_on_somebodys_device_is_joined_by_upstreams_rules_and_not_by_ours(population: Any) -> None:
    trace = [
        event(population, 0, 0, 1, "anon"),
        event(population, 1, 1, 1, "ada", claims="anon"),
        event(population, 2, 2, 2, "bob", claims="anon"),
    ]
    ours, theirs = population.beknown(trace), population.posthog(trace)
    assert ours(trace[0]) == ours(trace[1]) != ours(trace[2])
    assert theirs(trace[0]) == theirs(trace[1]) == theirs(trace[2])


def test_a_backend_claims_the_device_that_the_cookie_names_now_and_not_the_one_before_a_switch(population: Any) -> None:
    town = population.Town(population.World(users=0, stale=1), 3, 7, 1)
    device, identity, cookies = town.people[0].devices[0], town._fresh(population.START), []
    for person in town.people:
        cookies.append(identity.device)
        identity = town._log_in(person, device, identity, population.START, 0)
    assert [one.claims for one in town.trace if one.place == population.SERVER] == cookies[1:]
    assert len({*cookies[1:]}) == 2  # the second log-in over another user gave the browser another device


def test_a_hash_forgets_at_the_end_of_its_day_or_calendar_month(population: Any) -> None:
    trace = [event(population, day, day, 1, "ada") for day in (0, 1, 29, 30)]  # the first, second and last of November
    assert len(set(map(population.daily_hash(trace), trace))) == 4
    first, second, last, december = map(population.monthly_hash(trace), trace)
    assert first == second == last != december
