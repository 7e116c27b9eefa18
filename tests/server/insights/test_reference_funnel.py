"""As test_reference_rich.py, for funnels: whose value counts, who is behind a bar, exclusions, a funnel along time."""

from __future__ import annotations

from typing import Any

from beknown_server.conversion import conversion
from beknown_server.funnel import funnel, people
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ..conftest import BOTH_ENGINES
from . import reference
from .conftest import TEAMS
from .reference import Rich, Seen
from .reference_funnel import along_time, bars, broken_down, chosen, lengths, unordered
from .test_reference_rich import DAY, DAYS, HOUR, RANGE, START, events, few, times

WINDOW = 2 * DAY


def bare(name: str, moment: int, person: str = "p1") -> Rich:
    """Give an event of one of a few moments, half a day from each other, that carries nothing."""
    return Rich(START + moment * DAY // 2, 0, name, person, "", None, "", None, "")


def crowd(text: str) -> list[Rich]:
    """Give one person's events: "A0 B1" is A, and B at the moment after it."""
    return [bare(word[0], int(word[1])) for word in text.split()]


HAPPENED = st.lists(events("ABX", times(6 * HOUR)), min_size=8, max_size=25)  # ties and ends of windows are common
CROWDED = st.lists(
    st.builds(
        bare,
        moment=st.integers(0, 7),
        name=st.sampled_from("ABCX"),
        person=st.sampled_from([f"p{number}" for number in range(30)]),
    ),
    min_size=60,
    max_size=200,
)
STEPS = st.lists(st.sampled_from("AB"), min_size=2, max_size=3)
ORDERED = st.sampled_from(("ordered", "strict"))
ATTRIBUTIONS = ("first_touch", "last_touch", "all_steps", "step")
IN_A_TEAM = [{"key": "team", "operator": "is_set", "type": "person"}]


def within(events: list[Rich]) -> list[Rich]:
    return [one for one in events if reference.day(one.at) in DAYS]


def seen(events: list[Rich]) -> list[Seen]:
    return [Seen(one.at, one.name, one.person) for one in events]


@BOTH_ENGINES
@few
@given(
    happened=HAPPENED,
    steps=STEPS,
    order=ORDERED,
    wrong=st.sampled_from(([], [("X", 1, 2)])),
    step=st.integers(1, 2),
    of_person=st.booleans(),
)
def test_whose_value_a_funnel_counts(
    stored: Any, happened: Any, steps: Any, order: str, wrong: Any, step: int, of_person: bool
) -> None:
    history, every = stored(happened)
    body = {**RANGE, "steps": [{"event": name} for name in steps], "window_days": WINDOW // DAY, "order": order}
    body["exclusions"] = [{"event": name, "from": first, "to": last} for name, first, last in wrong]
    body |= {"breakdown": "team", "breakdown_type": "person"} if of_person else {"breakdown": "plan"}

    def value(one: Rich) -> str:
        return TEAMS.get(one.person, "") if of_person else one.plan

    more: dict[str, Any] = {"wrong": wrong, "strict": order == "strict", "value_of": value}
    for attribution in ATTRIBUTIONS:
        answer = history.ask(funnel, {**body, "attribution": attribution, "attribution_step": step})["breakdown"]
        found = {one["value"]: [bar["count"] for bar in one["steps"]] for one in answer}
        wanted = broken_down(within(every), steps, WINDOW, attribution, step, **more)
        assert found == {value or "None": counts for value, counts in wanted.items()}, attribution
    history.columns.close()


@BOTH_ENGINES
@settings(few, max_examples=6)
@given(happened=CROWDED, steps=st.lists(st.sampled_from("AB"), min_size=3, max_size=3))
@example(happened=crowd("A0 B1 X1 B2 A3"), steps=["A", "B", "A"])  # B1 and B2 both follow A0; only from B2 comes A3
@example(happened=crowd("A0 A1 B1 X4"), steps=["A", "B", "B"])  # X4 is in the window of A1, not in that of A0
@example(happened=crowd("A1 X2 A2 A3 B4 C6"), steps=["A", "B", "A"])  # neither the first nor the last is clean, A2 is
def test_events_of_one_moment_and_what_excludes(stored: Any, happened: Any, steps: list[str]) -> None:
    history, every = stored(happened)
    inside, window = seen(within(every)), 3 * DAY // 2
    body = {**RANGE, "steps": [{"event": name} for name in steps], "window_days": window / DAY}
    for order in ("ordered", "strict"):
        strict = order == "strict"
        series = {one["label"]: one["data"] for one in history.ask(conversion, {**body, "order": order})["series"]}
        entered, converted = along_time(inside, steps, window, DAYS, strict=strict)
        assert (series["entered"], series["converted"]) == (entered, converted), order
        for wrong in ([("X", 1, 3)], [("X", 2, 3)], [("X", 1, 2), ("C", 1, 3)], [("X", 1, 2), ("C", 2, 3)]):
            exclusions = [{"event": name, "from": first, "to": last} for name, first, last in wrong]
            answer = history.ask(funnel, {**body, "order": order, "exclusions": exclusions})["steps"]
            wanted = bars(lengths(inside, steps, window, wrong, strict=strict), len(steps))
            assert [one["count"] for one in answer] == wanted, (order, wrong)
    history.columns.close()


@BOTH_ENGINES
@few
@given(happened=HAPPENED, steps=STEPS)
def test_who_is_behind_a_bar_and_a_funnel_along_time(stored: Any, happened: Any, steps: Any) -> None:
    history, every = stored(happened)
    inside = seen(within(every))
    body = {**RANGE, "steps": [{"event": name} for name in steps], "window_days": WINDOW // DAY}
    for order in ("ordered", "strict"):
        strict = order == "strict"
        asked = {**body, "order": order}
        reached = bars(map(len, chosen(inside, steps, WINDOW, strict=strict)), len(steps))
        for k, bar in enumerate(reached, 1):
            assert len(history.ask(people, {**asked, "step": k})) == bar
            if k > 1:
                assert len(history.ask(people, {**asked, "step": k, "who": "dropped"})) == reached[k - 2] - bar
        series = {one["label"]: one["data"] for one in history.ask(conversion, asked)["series"]}
        entered, converted = along_time(inside, steps, WINDOW, DAYS, strict=strict)
        assert (series["entered"], series["converted"]) == (entered, converted), order
    history.columns.close()


@BOTH_ENGINES
@few
@given(happened=HAPPENED, steps=st.lists(st.sampled_from("ABX"), min_size=2, max_size=3), closed_step=st.integers(0, 1))
def test_a_funnel_one_of_whose_steps_only_some_persons_can_do(
    stored: Any, happened: Any, steps: list[str], closed_step: int
) -> None:
    history, every = stored(happened)
    # To whom the step is closed it is a step of a name that nothing has.
    closed = [name if place != closed_step else "nothing" for place, name in enumerate(steps)]
    teams = [
        ([one for one in within(every) if (one.person in TEAMS) == (way is steps)], way) for way in (steps, closed)
    ]
    asked = [{"event": name, "filters": IN_A_TEAM if place == closed_step else []} for place, name in enumerate(steps)]
    body = {**RANGE, "steps": asked, "window_days": WINDOW // DAY}
    for order in ("ordered", "strict", "unordered"):
        if order == "unordered":
            if len({*steps}) < len(steps):  # the reference tells such steps apart by their names alone
                continue
            reached = [length for mine, way in teams for length in unordered(seen(mine), way, WINDOW)]
        else:
            strict = order == "strict"
            reached = [length for mine, way in teams for length in lengths(seen(mine), way, WINDOW, strict=strict)]
        found = [step["count"] for step in history.ask(funnel, {**body, "order": order})["steps"]]
        assert found == bars(reached, len(steps)), order
    for attribution in ATTRIBUTIONS:
        answer = history.ask(funnel, {**body, "breakdown": "plan", "attribution": attribution})["breakdown"]
        wanted: dict[str, list[int]] = {}
        for mine, way in teams:
            for value, counts in broken_down(mine, way, WINDOW, attribution).items():
                known = wanted.get(value or "None", [0] * len(steps))
                wanted[value or "None"] = [a + b for a, b in zip(known, counts, strict=True)]
        assert {one["value"]: [bar["count"] for bar in one["steps"]] for one in answer} == wanted, attribution
    history.columns.close()
