"""Each rule of posthog-server §7.3, with answers worked out by hand."""

from __future__ import annotations

from itertools import count
from random import Random
from typing import Any

import pytest
from beknown_server.conversion import conversion
from beknown_server.errors import Unusable
from beknown_server.funnel import ATTRIBUTIONS, ORDERS, funnel, people
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ..conftest import BOTH_ENGINES
from .conftest import History

A, B, C, X = ({"event": name} for name in "ABCX")
_numbers = count()
DAYS = {"date_from": "2026-11-01", "date_to": "2026-11-30"}


def walks(history: History, who: str, path: str, day: int = 2) -> None:
    """Store events from a text such as ``A0 B5 C7``: names and minutes from midnight of a day."""
    for word in path.split():
        minute = float(word[1:])
        history.happens(word[0], who, f"2026-11-{day:02d} {int(minute) // 60:02d}:{int(minute) % 60:02d}")


def counts(history: History, *steps: dict[str, Any], **more: Any) -> list[int]:
    asked = {**DAYS, "steps": list(steps) or [A, B, C], **more}
    return [step["count"] for step in history.ask(funnel, asked)["steps"]]


def test_ordered_allows_other_events_between_and_counts_the_furthest_step(history: History) -> None:
    walks(history, "all", "A0 X1 B2 X3 C4")
    walks(history, "two", "A0 C1 B2")
    walks(history, "one", "B0 C1 A2")
    walks(history, "none", "B0 C1")
    assert counts(history) == [3, 2, 1]


def test_each_step_has_its_conversion_and_its_time(history: History) -> None:
    walks(history, "ann", "A0 B2 C12")
    walks(history, "bob", "A0 B6")
    steps = history.ask(funnel, {**DAYS, "steps": [A, B, C]})["steps"]
    assert [step["conversion_from_first"] for step in steps] == [1, 1, 0.5]
    assert [step["conversion_from_previous"] for step in steps] == [1, 1, 0.5]
    assert [step["median_seconds"] for step in steps] == [None, 240, 600]
    assert [step["average_seconds"] for step in steps] == [None, 240, 600]


def test_a_merge_glues_what_came_before_and_after_the_log_in(history: History) -> None:
    walks(history, "anon", "A0 B1")
    walks(history, "ann", "C2")
    assert counts(history) == [1, 1, 0]
    history.happens("$identify", "ann", "2026-11-02 00:01:30", anon="anon")
    assert counts(history) == [1, 1, 1]


def test_the_window_is_measured_from_the_first_step_and_includes_its_end(history: History) -> None:
    walks(history, "just", "A0 B30 C60")
    walks(history, "late", "A0 B30 C61")
    assert counts(history, window_days=1 / 24) == [2, 2, 1]


def test_a_later_start_opens_a_fresh_window(history: History) -> None:
    walks(history, "ann", "A0 A50 B70 C100")
    assert counts(history, window_days=1 / 24) == [1, 1, 1]


def test_every_step_must_lie_in_the_range(history: History) -> None:
    walks(history, "ann", "A0", day=2)
    walks(history, "ann", "B0", day=5)
    assert counts(history, A, B, date_to="2026-11-04") == [1, 0]
    assert counts(history, A, B, date_to="2026-11-05") == [1, 1]


def test_two_equal_steps_need_two_events(history: History) -> None:
    walks(history, "once", "A0")
    walks(history, "twice", "A0 A1")
    assert counts(history, A, A) == [2, 1]


def test_events_of_one_moment_are_taken_in_the_order_of_the_steps(history: History) -> None:
    walks(history, "ann", "C0 B0 A0")
    assert counts(history) == [1, 1, 1]


def test_strict_allows_nothing_between(history: History) -> None:
    walks(history, "clean", "A0 B1 C2")
    walks(history, "noise", "A0 X1 B2 C3")
    walks(history, "again", "A0 X1 A2 B3 C4")
    walks(history, "late", "A0 B1 X2 C3")
    assert counts(history, order="strict") == [4, 3, 2]


def test_strict_does_not_look_at_the_order_within_one_moment(history: History) -> None:
    walks(history, "ann", "A0 X1 B1 C2")
    walks(history, "bob", "A0 X1 X1 B2")
    assert counts(history, order="strict") == [2, 1, 1]


def test_unordered_finds_most_steps_in_one_window(history: History) -> None:
    walks(history, "any", "C0 A1 B2")
    walks(history, "two", "C0 B1")
    walks(history, "apart", "C0 A1 B90")
    assert counts(history, order="unordered", window_days=1 / 24) == [3, 3, 1]


def test_unordered_takes_an_event_for_one_step_only(history: History) -> None:
    any_event, web = {}, {"event": "A", "filters": [{"key": "lib", "value": "web"}]}
    walks(history, "once", "A0")
    assert counts(history, A, any_event, order="unordered") == [1, 0]
    assert counts(history, A, web, order="unordered") == [1, 0]
    walks(history, "twice", "A0 A1")
    history.happens("A", "with the web", "2026-11-02 00:00", "2026-11-02 00:02", lib="web")
    assert counts(history, A, any_event, order="unordered") == [3, 2]
    assert counts(history, A, web, order="unordered") == [3, 1]
    walks(history, "any", "X0 X1 X3")
    assert counts(history, A, any_event, B, order="unordered") == [4, 2, 0]
    walks(history, "all", "B3 A4 X8")
    steps = history.ask(funnel, {**DAYS, "steps": [A, any_event, B], "order": "unordered"})["steps"]
    assert [step["count"] for step in steps] == [5, 3, 1]
    assert [step["average_seconds"] for step in steps] == [None, 80, 240]


@given(
    events=st.lists(st.tuples(st.integers(0, 9), st.sampled_from("ABC"), st.booleans()), min_size=1, max_size=7),
    steps=st.lists(st.tuples(st.sampled_from(["A", "B", None]), st.booleans()), min_size=2, max_size=4, unique=True),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_unordered_is_the_most_steps_that_have_an_event_each(history: History, events: Any, steps: Any) -> None:
    who, window = f"person {next(_numbers)}", 4
    for minute, name, flag in events:
        history.happens(name, who, f"2026-11-02 00:0{minute}", mine=who, flag=flag)

    def most(left: list[Any], start: int, wanted: list[Any]) -> int:
        if not wanted:
            return 0
        (name, flagged), rest = wanted[0], wanted[1:]
        taken = (
            1 + most(left[:at] + left[at + 1 :], start, rest)
            for at, one in enumerate(left)
            if 0 <= one[0] - start <= window and name in (None, one[1]) and one[2] >= flagged
        )
        return max([most(left, start, rest), *taken])

    mine = {"key": "mine", "value": who}
    flagged = {"key": "flag", "value": True}
    asked = [{"event": name, "filters": [mine, flagged] if flag else [mine]} for name, flag in steps]
    best = max(most(events, minute, steps) for minute, _, _ in events)
    found = counts(history, *asked, order="unordered", window_days=window / 1440)
    assert found == [int(k < best) for k in range(len(steps))]


def test_an_exclusion_between_two_steps_removes_the_person(history: History) -> None:
    walks(history, "clean", "A0 B2 X3 C4")
    walks(history, "tainted", "A0 X1 B2 C3")
    walks(history, "before", "X0 A1 B2")
    walks(history, "stopped", "A0 X1")
    assert counts(history, exclusions=[{**X, "from": 1, "to": 2}]) == [2, 2, 1]


def test_another_clean_path_rescues(history: History) -> None:
    walks(history, "ann", "A0 X1 B2 A5 B6")
    walks(history, "bob", "A0 X1 B2 A5")
    assert counts(history, A, B, exclusions=[X]) == [1, 1]


def test_a_clean_path_rescues_though_a_tainted_one_came_later(history: History) -> None:
    walks(history, "ann", "A0 B1 A5 X6 B7 C8")
    assert counts(history, exclusions=[{**X, "from": 1, "to": 2}]) == [1, 1, 1]
    assert counts(history, exclusions=[{**X, "from": 2, "to": 3}]) == [1, 1, 1]
    assert counts(history, exclusions=[{**X, "from": 1, "to": 2}, {**X, "from": 2, "to": 3}]) == [0, 0, 0]


def test_a_path_that_goes_no_further_is_rescued_by_one_whose_window_ended_before(history: History) -> None:
    walks(history, "ann", "A0 A4 B5 X12")
    for first in (1, 2):
        assert counts(history, exclusions=[{**X, "from": first, "to": 3}], window_days=10 / 1440) == [1, 1, 0]
        assert counts(history, exclusions=[{**X, "from": first, "to": 3}], window_days=12 / 1440) == [0, 0, 0]


def test_an_exclusion_after_the_window_harms_nobody(history: History) -> None:
    walks(history, "ann", "A0 X90")
    assert counts(history, A, B, exclusions=[X], window_days=1 / 24) == [1, 0]


def test_a_breakdown_says_whose_value_counts(history: History) -> None:
    for name, minute, plan in (("A", 0, None), ("A", 1, "free"), ("B", 2, "pro")):
        history.happens(name, "ann", f"2026-11-02 00:{minute:02d}", **({"plan": plan} if plan else {}))
    history.happens("A", "bob", "2026-11-02", plan="free")

    def rows(**more: Any) -> dict[str, list[int]]:
        answer = history.ask(funnel, {**DAYS, "steps": [A, B], "breakdown": "plan", **more})
        return {row["value"]: [step["count"] for step in row["steps"]] for row in answer["breakdown"]}

    def behind(attribution: str) -> list[int]:
        body = {**DAYS, "steps": [A, B], "breakdown": "plan", "attribution": attribution}
        dropped = len(history.ask(people, {**body, "step": 2, "who": "dropped"}))
        return [*(len(history.ask(people, {**body, "step": step})) for step in (1, 2)), dropped]

    assert rows() == {"free": [2, 1]}
    assert rows(attribution="last_touch") == {"free": [1, 0], "pro": [1, 1]}
    assert rows(attribution="all_steps") == {"free": [2, 0], "None": [1, 0]}
    assert rows(attribution="step", attribution_step=2) == {"pro": [1, 1]}
    for attribution in ("first_touch", "last_touch", "all_steps"):  # the bars of the whole are 2 and 1
        assert behind(attribution) == [2, 1, 1], attribution


def test_the_people_behind_a_bar(history: History) -> None:
    walks(history, "ann", "A0 B1")
    walks(history, "bob", "A0")
    asked = {**DAYS, "steps": [A, B]}
    assert len(history.ask(people, {**asked, "step": 1})) == 2
    converted = history.ask(people, {**asked, "step": 2})
    dropped = history.ask(people, {**asked, "step": 2, "who": "dropped"})
    assert len(converted) == len(dropped) == 1
    assert converted != dropped


@BOTH_ENGINES
@pytest.mark.parametrize("order", ORDERS)
def test_a_bar_of_a_breakdown_counts_its_people_and_those_of_all_values_are_the_whole(
    history: History, order: str
) -> None:
    dice = Random(order)
    for who in range(40):
        plans = ("free", "Other", "None", "", None) if who % 4 else ("None", None)
        for _ in range(dice.randint(1, 7)):
            plan = dice.choice(plans)
            at = f"2026-11-02 00:{dice.randint(0, 9):02d}"
            history.happens(dice.choice("ABCX"), f"{who}", at, **({} if plan is None else {"plan": plan}))
    for attribution in ATTRIBUTIONS:
        asked = {**DAYS, "steps": [A, B, C], "order": order, "breakdown": "plan", "attribution": attribution}

        def behind(asked: dict[str, Any]) -> list[list[int]]:
            came = [history.ask(people, {**asked, "step": step}) for step in (1, 2, 3)]
            for step in (2, 3):
                dropped = history.ask(people, {**asked, "step": step, "who": "dropped"})
                assert sorted([*dropped, *came[step - 1]]) == came[step - 2]
            return came

        together: list[set[int]] = [set(), set(), set()]
        parts = history.ask(funnel, asked)["breakdown"]
        assert {part["value"] for part in parts} == {"free", "Other", "None", ""}
        for part in parts:
            came = behind({**asked, "breakdown_value": part["value"]})
            assert [len(some) for some in came] == [step["count"] for step in part["steps"]], (attribution, part)
            together = [known | {*some} for known, some in zip(together, came, strict=True)]
        whole = [{*some} for some in behind(asked)]
        if attribution.endswith("touch"):
            assert together == whole
        else:  # who did the steps with different values comes less far with each of them, in any order perhaps nowhere
            assert together[0] == whole[0] or order == "unordered"
            assert all(some <= every for some, every in zip(together, whole, strict=True))


def test_the_people_of_a_value_that_is_not_shown_and_of_one_that_nobody_has(history: History) -> None:
    for number in range(30):
        history.happens("A", f"person {number}", "2026-11-02", plan=f"plan {number:02d}")
    asked = {**DAYS, "steps": [A, B], "breakdown": "plan"}
    assert [part["value"] for part in history.ask(funnel, asked)["breakdown"]] == [f"plan {k:02d}" for k in range(25)]
    assert len(history.ask(people, {**asked, "breakdown_value": "plan 29"})) == 1
    assert history.ask(people, {**asked, "breakdown_value": "Other"}) == []


@pytest.mark.parametrize("more", [{"breakdown": None}, {"breakdown_value": 1}, {"breakdown_value": "x" * 401}])
def test_a_value_that_cannot_be_is_refused(history: History, more: dict[str, Any]) -> None:
    with pytest.raises(Unusable, match=r"breakdown_value is .*not"):
        history.ask(people, {**DAYS, "steps": [A, B], "breakdown": "plan", "breakdown_value": "free", **more})


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"steps": [A]},
        {"steps": [A] * 21},
        {"steps": [A, B], "order": "random"},
        {"steps": [A, B], "window_days": 0},
        {"steps": [A, B], "window_days": "14"},
        {"steps": [A, A], "order": "unordered"},
        {"steps": [A, B], "exclusions": [{**X, "from": 2, "to": 2}]},
        {"steps": [A, B], "order": "unordered", "exclusions": [X]},
        {"steps": [A, "B"]},
        {"steps": [A, B], "date_from": "2026-11-31"},
    ],
)
def test_what_is_no_funnel_is_refused_with_the_field_that_is_wrong(history: History, body: dict[str, Any]) -> None:
    with pytest.raises(Unusable, match=r"is .*not"):
        history.ask(funnel, body)


@pytest.mark.parametrize("kind", ["breakdown", "any event", "equal events"])
@pytest.mark.parametrize("order", ["ordered", "strict", "unordered"])
def test_a_step_may_depend_on_the_person_in_every_kind_of_funnel(history: History, order: str, kind: str) -> None:
    for who in ("pro", "free"):
        history.happens("signed up", who, "2026-10-01", set_={"plan": who})
        walks(history, who, "A0 A1 B2")
    of_pro = {"filters": [{"key": "plan", "value": "pro", "type": "person"}]}
    steps = {"breakdown": [A | of_pro, B], "any event": [of_pro, B], "equal events": [A | of_pro, A]}[kind]
    asked = {**DAYS, "steps": steps, "order": order}
    wanted = [2, 1] if order == "unordered" else [1, 1]  # whom the filter leaves out has only the other step
    assert len(history.ask(people, asked)) == wanted[0]
    if kind == "breakdown":
        answer = history.ask(funnel, {**asked, "breakdown": "lib"})
        assert [step["count"] for step in answer["breakdown"][0]["steps"]] == wanted
    elif order != "unordered":
        entered, converted, _ = history.ask(conversion, asked)["series"]
        assert (sum(entered["data"]), sum(converted["data"])) == (1, 1)
    assert counts(history, *steps, order=order) == wanted
