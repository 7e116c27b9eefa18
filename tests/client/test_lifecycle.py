"""The page's life as Python hears of it, on a global of JavaScript's that is made up."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest import mock

from beknown.hosts import lifecycle


def made_up() -> tuple[dict[str, Any], Any]:
    """Give a global, and what listens to its events by name."""
    heard: dict[str, Any] = {}
    add = SimpleNamespace(call=lambda target, event, function: heard.__setitem__(event, function))
    reflect = SimpleNamespace(get=lambda target, name: add)
    found = SimpleNamespace(
        addEventListener=add, EventTarget=SimpleNamespace(prototype=None), Reflect=reflect, globalThis=None
    )
    return heard, found


def test_a_worker_hears_on_its_own_global_that_it_is_online_again() -> None:
    """What could not be sent offline would wait until the worker ends."""
    heard, worker = made_up()
    with mock.patch.multiple(lifecycle, create=True, js=worker, create_proxy=lambda function: function):
        for window in (None, SimpleNamespace(document=None)):  # out of reach, and lent by PyScript
            heard.clear()
            seen = lifecycle.Lifecycle(window, print)
            seen.listen("online", len)
            seen.listen("pagehide", len)
            assert list(heard) == ["online"]
    with mock.patch.multiple(lifecycle, create=True, js=SimpleNamespace()):
        lifecycle.Lifecycle(None, print).listen("online", len)  # a kernel in Node


def test_what_is_raised_while_an_event_of_the_page_is_handled_ends_in_the_console() -> None:
    heard, page = made_up()
    said: list[list[str]] = []

    def fail(event: object) -> None:
        raise ValueError("oops")

    with mock.patch.multiple(lifecycle, create=True, IN_BROWSER=True, js=page, create_proxy=lambda function: function):
        seen = lifecycle.Lifecycle(page, lambda level, text: said.append([level, text]))
        seen.listen("pagehide", fail)
        heard["pagehide"](None)
    assert said == [["error", "an event of the page was not understood: ValueError('oops')"]]
