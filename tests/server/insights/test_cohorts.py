"""Retention, lifecycle, stickiness, paths (posthog-server §7.4 to §7.6), with answers worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
from beknown_server.cohorts import lifecycle, paths, retention, stickiness
from beknown_server.errors import Unusable

from ..conftest import BOTH_ENGINES
from .conftest import History

DAYS = {"date_from": "2026-11-02", "date_to": "2026-11-05"}


@pytest.fixture
def visits(history: History) -> History:
    """Ann on the 2nd, 3rd, 5th; Bob on the 3rd and 4th; Cleo on the 1st and 4th."""
    history.happens("view", "ann", "2026-11-02 08:00", "2026-11-02 09:00", "2026-11-03", "2026-11-05 23:59:59.999")
    history.happens("view", "bob", "2026-11-03 12:00", "2026-11-04")
    history.happens("view", "cleo", "2026-11-01", "2026-11-04")
    return history


def table(history: History, **body: Any) -> list[list[int]]:
    asked = {"target": "view", "returning": "view", "date_from": "2026-11-02", "periods": 4, **body}
    return [cohort["values"] for cohort in history.ask(retention, asked)["cohorts"]]


def test_recurring_retention_counts_a_person_in_many_cohorts(visits: History) -> None:
    assert table(visits) == [[1, 1, 0, 1], [2, 1, 1, 0], [2, 0, 0, 0], [1, 0, 0, 0]]


def test_first_time_retention_counts_a_person_once(visits: History) -> None:
    assert table(visits, kind="first_time") == [[1, 1, 0, 1], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_first_ever_asks_the_earliest_to_pass_the_filter(history: History) -> None:
    history.happens("view", "ann", "2026-11-02", plan="free")
    history.happens("view", "ann", "2026-11-03", plan="pro")
    history.happens("view", "bob", "2026-11-03", plan="pro")
    target = {"event": "view", "filters": [{"key": "plan", "value": "pro"}]}
    assert [row[0] for row in table(history, target=target, kind="first_time")] == [0, 2, 0, 0]
    assert [row[0] for row in table(history, target=target, kind="first_ever")] == [0, 1, 0, 0]


def test_on_or_after_counts_who_came_back_then_or_later(visits: History) -> None:
    assert table(visits, mode="on_or_after")[0] == [1, 1, 1, 1]


def test_as_many_periods_as_may_be_asked(visits: History) -> None:
    """More than bits fit into a number: 120 cohorts followed for 120 days."""
    asked = {"target": "view", "returning": "view", "date_from": "2026-08-05", "periods": 120}
    for mode in ("on", "on_or_after"):
        rows = [cohort["values"] for cohort in visits.ask(retention, {**asked, "mode": mode})["cohorts"]]
        assert rows[89][:4] == ([1, 1, 0, 1] if mode == "on" else [1, 1, 1, 1])  # Ann's, who began on the 2nd
        assert [row[0] for row in rows[88:93]] == [1, 1, 2, 2, 1]


def test_a_minimum_of_returning_events(visits: History) -> None:
    visits.happens("view", "ann", "2026-11-03 01:00")
    assert table(visits, minimum=2)[0] == [1, 1, 0, 0]


def test_weeks_start_as_the_project_says_and_periods_to_come_are_left_out(visits: History) -> None:
    answer = visits.ask(retention, {"target": "view", "period": "week", "date_from": "2026-11-05", "periods": 8})
    assert [cohort["start"] for cohort in answer["cohorts"]][:2] == ["2026-11-02", "2026-11-09"]
    assert [len(cohort["values"]) for cohort in answer["cohorts"]] == [5, 4, 3, 2, 1]  # today is the 30th
    assert answer["cohorts"][0]["size"] == 3


def test_the_mean_weighs_each_person_the_same(visits: History) -> None:
    asked = {"target": "view", "returning": "view", "date_from": "2026-11-02", "periods": 2}
    assert visits.ask(retention, asked)["mean"] == [1, 2 / 3]
    assert visits.ask(retention, {**asked, "mean": "simple"})["mean"] == [1, (1 / 1 + 1 / 2) / 2]


def test_a_period_that_is_not_over_is_said_and_left_out_of_the_mean(history: History) -> None:
    history.happens("view", "ann", "2026-11-27", "2026-11-28", "2026-11-29")
    history.happens("view", "bob", "2026-11-28", "2026-11-29", "2026-11-30")
    history.happens("view", "cleo", "2026-11-29", "2026-11-30")  # today; there may come more
    answer = history.ask(retention, {"date_from": "2026-11-27", "periods": 4})
    found = [(cohort["values"], cohort["unfinished"]) for cohort in answer["cohorts"]]
    assert found == [([1, 1, 1, 0], True), ([2, 2, 1], True), ([3, 2], True), ([2], True)]
    assert answer["mean"] == [1, 3 / 3, 1 / 1, None]  # Ann and Bob of the 28th came the next day; Ann the day after
    answer = history.ask(retention, {"date_from": "2026-11-27", "periods": 4, "mean": "simple"})
    assert answer["mean"] == [1, (1 + 1) / 2, 1, None]
    answer = history.ask(retention, {"date_from": "2026-11-27", "periods": 2})  # followed for a day, which is over
    assert [cohort["unfinished"] for cohort in answer["cohorts"]] == [False, False]


def test_lifecycle_sorts_persons_into_four(visits: History) -> None:
    answer = visits.ask(lifecycle, {**DAYS, "event": "view"})
    assert answer["labels"] == ["2026-11-02", "2026-11-03", "2026-11-04", "2026-11-05"]
    assert {one["label"]: one["data"] for one in answer["series"]} == {
        "new": [1, 1, 0, 0],  # Ann, Bob
        "returning": [0, 1, 1, 0],  # Ann; Bob
        "resurrecting": [0, 0, 1, 1],  # Cleo; Ann
        "dormant": [-1, 0, -1, -2],  # Cleo; Ann; Bob and Cleo
    }


def test_lifecycle_counts_within_the_range_also_where_it_cuts_a_week(history: History) -> None:
    for who, day in (("last week", "10-28"), ("last week", "11-04"), ("early", "11-02"), ("mid", "11-04")):
        history.happens("view", who, f"2026-{day}")
    history.happens("view", "late", "2026-11-06")
    history.happens("view", "gone", "2026-10-29", "2026-11-02")
    answer = history.ask(lifecycle, {"interval": "week", "date_from": "2026-11-04", "date_to": "2026-11-04"})
    found = {one["label"]: one["data"] for one in answer["series"]}
    assert found == {"new": [1], "returning": [1], "resurrecting": [0], "dormant": [-1]}


def test_new_may_vanish_after_a_merge(visits: History) -> None:
    visits.happens("view", "anon", "2026-10-01")
    visits.happens("$identify", "bob", "2026-11-10", anon="anon")
    new = visits.ask(lifecycle, {**DAYS, "event": "view"})["series"][0]
    assert new == {"label": "new", "data": [1, 0, 0, 0]}


def test_who_asks_for_no_profile_is_new_all_the_same(history: History) -> None:
    """Unlike §7.4, and on purpose: docs/posthog.md."""
    no_profile: dict[str, Any] = {"$process_person_profile": False}
    history.happens("view", "guest", "2026-11-02", "2026-11-04", **no_profile)
    history.happens("view", "anon", "2026-11-03", **no_profile)
    history.happens("$identify", "ann", "2026-11-04", anon="anon")
    found = {one["label"]: one["data"] for one in history.ask(lifecycle, DAYS)["series"]}
    assert found == {
        "new": [1, 1, 0, 0],  # the guest; Ann when she came, not when she signed up
        "returning": [0, 0, 1, 0],  # Ann
        "resurrecting": [0, 0, 1, 0],  # the guest
        "dormant": [0, -1, 0, -2],
    }


@BOTH_ENGINES
def test_nobody_is_new_again_when_the_past_is_forgotten(history: History) -> None:
    history.happens("view", "ann", "2026-10-20", "2026-11-02", "2026-11-03")
    history.happens("view", "bob", "2026-11-03")
    history.happens("view", "cleo", "2026-10-20", "2026-11-03")
    asked = {**DAYS, "event": "view"}
    before = history.ask(lifecycle, asked)
    history.happens("view", "bob", "2026-10-21")  # what comes late, after the copy has the id, counts as well
    history.forgets("2026-11-02")
    after = {one["label"]: one["data"] for one in history.ask(lifecycle, asked)["series"]}
    assert before["series"][0]["data"] == [0, 1, 0, 0]
    assert after == {
        "new": [0, 0, 0, 0],
        "returning": [0, 1, 0, 0],  # Ann
        "resurrecting": [1, 2, 0, 0],  # Ann; Bob and Cleo
        "dormant": [0, 0, -3, 0],
    }


def test_stickiness_counts_intervals_per_person(visits: History) -> None:
    asked = {**DAYS, "event": "view"}
    assert visits.ask(stickiness, asked)["data"] == [1, 1, 1, 0]  # Cleo, Bob, Ann
    assert visits.ask(stickiness, {**asked, "mode": "or_more"})["data"] == [3, 2, 1, 0]
    assert visits.ask(stickiness, {**asked, "minimum": 2})["data"] == [1, 0, 0, 0]
    assert visits.ask(stickiness, asked)["labels"] == [1, 2, 3, 4]


def test_paths_follow_page_views_within_a_session(history: History) -> None:
    for who, session, pages in (("ann", "s1", "/ /a /a /b"), ("bob", "s2", "/ /a"), ("bob", "s3", "/b")):
        for minute, page in enumerate(pages.split()):
            history.happens("$pageview", who, f"2026-11-02 00:{minute:02d}", session=session, **{"$pathname": page})
    ways = history.ask(paths, {**DAYS, "steps": 2})["ways"]
    assert [tuple(way.values()) for way in ways] == [
        (1, "/", "/a", 2, 2),
        (1, "/b", None, 1, 1),
        (2, "/a", "/b", 1, 1),
        (2, "/a", None, 1, 1),
    ]


@pytest.mark.parametrize("body", [{"periods": 0}, {"periods": 121}, {"period": "hour"}, {"date_from": "2999-12-31"}])
def test_what_is_no_retention_is_refused(history: History, body: dict[str, Any]) -> None:
    with pytest.raises(Unusable):
        history.ask(retention, {"target": "view", **body})
