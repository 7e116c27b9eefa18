"""Nothing is lost: the property, and the shrunk histories that once broke it.

    Whatever happens to pages, tabs, answers and storage, at any point between any two writes: after the next good
    page load every captured event is at the server exactly once, under the identity it was captured with, in order.

What pages, tabs and servers do is in browser_model.py beside this file.
"""

from __future__ import annotations

from typing import Any

from beknown import event
from hypothesis import given, settings
from hypothesis import strategies as some

from .browser_model import SEED, Call, World

USERS = ("ada", "bob")


def is_of(tab: str, properties: dict[str, Any]) -> bool:
    """Tell whether an event with these properties is a tab's."""
    return properties["$window_id"] == event.window(properties["$session_id"], tab)


def replay(*steps: tuple[Any, ...]) -> World:
    """Live through a history and hold its end against the property."""
    world = World()
    for step in steps:
        world.step(*step)
    world.end()
    events = {event["uuid"]: event for event in world.browser.events}
    assert len(events) == len(world.browser.events)
    captured = [call for call in world.browser.calls if call.name == "capture"]
    missing = [call.id for call in captured if call.owed and call.id not in events]
    assert not missing, f"lost: {missing}"
    assert {uuid for uuid, event in events.items() if event["event"] == "x"} <= {call.id for call in captured}
    # Two tabs that deliver the same calls at once may arrive in any order; the events' own times keep theirs.
    for tab in () if world.browser.is_shared else world.tabs:
        order = [
            event["uuid"] for event in world.browser.events if event["event"] == "x" and is_of(tab, event["properties"])
        ]
        assert order == sorted(order), f"out of order: {order}"
    # Otherwise a log-in or log-out may be lost with its page: one that never returned, or that two tabs raced about.
    told = all(call.owed for call in world.browser.calls)
    for call in captured:
        if told:
            who = events[call.id]["distinct_id"]
            allowed = call.allowed | (world.browser.others(call) if world.browser.was_full else set())
            assert who in allowed, f"{call.id} of {call.tab} is filed under {who}, not {call.allowed}"
    if {call.tab for call in world.browser.calls} <= {"w"} and told:
        assert all(id in events for id in claims(world.browser.calls)), "a claim was lost"
    return world


def claims(calls: list[Call]) -> list[str]:
    """Give the ids of the identify() calls that name a user who was not yet named, if one tab made them all."""
    now, found = None, []
    for call in calls:
        if call.name == "reset":
            now = None
        elif call.name == "identify" and call.args[0] != now:
            now = call.args[0]
            found.append(call.id)
    return found


def histories(tabs: str) -> some.SearchStrategy[list[tuple[Any, ...]]]:
    tab = some.sampled_from(tabs)
    call = some.one_of(
        some.just(("capture", "x")),
        some.sampled_from([("identify", user) for user in USERS]),
        some.just(("reset",)),
        some.just(("register", {"plan": "pro"})),
    )
    step = some.one_of(
        some.tuples(some.just("calls"), tab, some.lists(call, min_size=1, max_size=4)),
        some.tuples(some.just("up"), tab),
        some.tuples(some.just("work"), tab),
        some.tuples(some.just("hear"), tab),
        some.tuples(some.just("go_on"), tab, some.integers(1, 9)),
        some.tuples(some.just("go_on"), tab, some.integers(1, 9)),
        some.tuples(some.just("turn"), tab),
        some.tuples(some.just("tick"), tab),
        some.tuples(some.just("answer"), tab, some.sampled_from(["200", "200", "500", "429", "0", "lost"])),
        some.tuples(some.just("ran"), tab, some.sampled_from(["200", "200", "lost", "0", "500", "401"])),
        some.tuples(some.just("again"), tab),
        some.tuples(some.just("forbids_worker"), tab, some.booleans()),
        some.tuples(some.just("leave"), tab, some.sampled_from(["", "beacon", "request", "request, beacon"])),
        some.tuples(some.just("dies after"), tab, some.integers(0, 6)),
        some.tuples(some.just("full"), tab, some.booleans()),
        some.tuples(some.just("wait"), tab, some.sampled_from([1000, 40000, 2000000])),
    )
    return some.lists(step, min_size=12, max_size=40)


CAPTURE, ADA, RESET = ("capture", "x"), ("identify", "ada"), ("reset",)


def test_a_log_in_run_by_the_server_is_not_run_again_without_its_log_out() -> None:
    replay(
        ("calls", "w", [ADA, RESET]),
        ("calls", "w", [CAPTURE]),
        ("dies after", "w", 3),
        ("ran", "w", "200"),
    )


def test_calls_that_were_run_before_a_crash_do_not_claim_the_visitor_after_a_log_out() -> None:
    replay(
        ("calls", "w", [CAPTURE]),
        ("calls", "w", [CAPTURE, ADA, ADA, CAPTURE]),
        ("turn", "w"),
        ("dies after", "w", 4),
        ("turn", "w"),
        ("calls", "w", [RESET]),
        ("dies after", "w", 1),
        ("turn", "w"),
    )


def test_events_that_find_no_room_keep_identity_and_claim() -> None:
    replay(
        ("turn", "w"),
        ("calls", "w", [CAPTURE, ADA]),
        ("full", "w", True),
        ("turn", "w"),
        ("answer", "w", "0"),
        ("leave", "w", ""),
    )


def test_a_log_out_that_made_no_event_is_not_forgotten_where_events_find_no_room() -> None:
    replay(("up", "w"), ("calls", "w", [CAPTURE]), ("calls", "w", [RESET, CAPTURE]), ("full", "w", True), ("turn", "w"))


def test_a_log_out_without_an_event_is_not_run_again_after_the_log_in_that_followed_it() -> None:
    replay(
        ("calls", "w", [CAPTURE]),
        ("up", "w"),
        ("go_on", "w", 2),
        ("calls", "w", [RESET, ADA]),
        ("answer", "w", "200"),
        ("dies after", "w", 2),
        ("hear", "w"),
        ("calls", "w", [CAPTURE]),
    )


def test_a_page_that_dies_between_events_and_state_hands_the_state_on_with_the_events() -> None:
    replay(
        ("calls", "w", [CAPTURE]),
        ("go_on", "w", 2),
        ("dies after", "w", 4),
        ("calls", "w", [ADA, CAPTURE, CAPTURE]),
        ("turn", "w"),
    )


def test_a_log_out_of_a_tab_that_died_is_not_run_again_after_another_tab_has_stored() -> None:
    replay(
        ("calls", "w", [CAPTURE]),
        ("calls", "w", [RESET]),
        ("go_on", "w", 1),
        ("dies after", "b", 3),
        ("calls", "w", [CAPTURE]),
        ("calls", "b", [RESET]),
        ("turn", "b"),
        ("go_on", "w", 2),
        ("calls", "w", [CAPTURE]),
    )


def test_a_tab_whose_calls_another_took_for_abandoned_goes_on_from_what_became_of_them() -> None:
    replay(
        ("calls", "w", [CAPTURE]),
        ("calls", "w", [CAPTURE]),
        ("calls", "w", [RESET]),
        ("ran", "b", "200"),
        ("wait", "w", 40000),
        ("go_on", "b", 3),
        ("calls", "w", [CAPTURE]),
        ("go_on", "w", 2),
    )


def test_a_state_that_comes_late_from_the_worker_does_not_undo_another_tabs_log_in() -> None:
    replay(
        ("go_on", "w", 2),
        ("calls", "b", [ADA]),
        ("go_on", "b", 1),
        ("calls", "w", [CAPTURE]),
        ("calls", "w", [CAPTURE]),
        ("hear", "w"),
    )


def test_a_slow_answer_of_the_servers_python_does_not_undo_another_tabs_log_out() -> None:
    world = replay(
        ("calls", "w", [ADA]),
        ("ran", "w", "200"),
        ("calls", "b", [CAPTURE]),
        ("calls", "w", [RESET]),
        ("ran", "w", "200"),
        ("ran", "b", "200"),
        ("calls", "w", [CAPTURE]),
    )
    assert [event["distinct_id"] for event in world.browser.events][:2] == ["ada", "ada"]
    assert world.browser.events[2]["distinct_id"] != "ada"


def test_a_log_in_that_a_dead_tab_left_does_not_take_the_visitor_from_who_came_after_it() -> None:
    replay(
        ("calls", "w", [CAPTURE, ADA, CAPTURE]),
        ("leave", "w", ""),
        ("turn", "b"),
        ("calls", "b", [("identify", "bob"), CAPTURE]),
        ("turn", "b"),
        ("answer", "b", "200"),
        ("leave", "b", ""),
        ("wait", "b", 40000),
        ("turn", "b"),
        ("calls", "b", [CAPTURE]),
        ("turn", "b"),
    )


def left_by_a_tab(*between: tuple[Any, ...]) -> dict[str, Any]:
    """Let one tab go with a log-in, another change the visitor ten times and find it; give the log-in's event."""
    world = replay(
        ("turn", "b"),
        ("calls", "w", [ADA, CAPTURE, RESET, CAPTURE]),
        ("leave", "w", ""),
        *[
            ("calls", "b", [("identify", "bob"), CAPTURE, RESET, CAPTURE]),
            ("turn", "b"),
            ("answer", "b", "200"),
            *between,
        ]
        * 10,
        ("leave", "b", "request, beacon"),
        ("wait", "b", 40000),
        ("turn", "b"),
        ("calls", "b", [CAPTURE]),
        ("turn", "b"),
    )
    (late,) = [
        event for event in world.browser.events if (event["event"], event["distinct_id"]) == ("$identify", "ada")
    ]
    return late


def test_what_a_tab_left_is_its_own_however_often_the_visitor_has_changed_since() -> None:
    assert left_by_a_tab()["properties"]["$anon_distinct_id"] == SEED


def test_a_log_in_from_before_all_that_is_remembered_claims_nobody() -> None:
    assert "$anon_distinct_id" not in left_by_a_tab(("wait", "b", 2000000))["properties"]


def test_a_state_of_which_only_the_half_was_written_is_whole_on_the_next_page() -> None:
    replay(
        ("calls", "w", [CAPTURE]),
        ("go_on", "w", 2),
        ("calls", "w", [RESET]),
        ("calls", "w", [CAPTURE]),
        ("dies after", "w", 1),
        ("go_on", "w", 1),
    )


@settings(max_examples=400, deadline=None)
@given(histories("w"))
def test_nothing_is_lost_in_one_tab(steps: list[tuple[Any, ...]]) -> None:
    replay(*steps)


@settings(max_examples=400, deadline=None)
@given(histories("wb"))
def test_nothing_is_lost_in_two_tabs(steps: list[tuple[Any, ...]]) -> None:
    replay(*steps)
