"""data-runtime="pyodide": the tag runs the same core on CPython in its worker."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from . import (
    conftest,
    test_choice,
    test_consent,
    test_delivery,
    test_leaving,
    test_misfortune,
    test_page_options,
    test_policies,
    test_storage,
    test_tabs,
    test_visitor,
)
from .conftest import Browser, Collector, Site, tag, until
from .pyscript import SLOW

LONGEST = 100  # ms; a task on the main thread that is longer than this would be felt
WATCH = "new PerformanceObserver((list) => (window.tasks ||= []).push(...list.getEntries().map((e) => e.duration)))"


def ready(page: Page, url: str) -> None:
    page.set_default_timeout(SLOW)
    page.goto(url)
    assert page.evaluate("beknown.ready")["runtime"] == "pyodide"


def test_the_tag_runs_on_pyodide_and_does_not_block_the_page(
    collector: Collector, site: Site, browser: Browser
) -> None:
    script = WATCH + ".observe({entryTypes: ['longtask']})"
    url = site.add("/", tag(collector, runtime="pyodide", load="eager", first="page"), script=script)
    longest = []
    for _ in range(3):  # a task that only one visit has is the machine's, which is shared
        page = browser.page()
        ready(page, url)
        longest.append(max(page.evaluate("window.tasks || []"), default=0))
        if longest[-1] < LONGEST:
            break
    assert min(longest) < LONGEST
    page.evaluate("beknown.capture('before', {n: 2**40}); beknown.identify('ada', {plan: 'pro'})")
    page.evaluate("beknown.capture('after'); beknown.flush()")
    (claim,) = collector.wait_for("$identify")
    (before,) = collector.wait_for("before")
    (after,) = collector.wait_for("after")
    assert claim["properties"]["$anon_distinct_id"] == before["distinct_id"]
    assert before["properties"]["n"] == 2**40
    assert after["distinct_id"] == "ada"
    page.evaluate("beknown.reset()")
    page.evaluate("beknown.capture('stranger'); beknown.flush()")
    (stranger,) = collector.wait_for("stranger")
    assert stranger["distinct_id"] not in ("ada", before["distinct_id"])
    assert stranger["properties"]["$device_id"] == before["properties"]["$device_id"]
    assert browser.said == []


def test_pyodide_in_the_page_of_the_collectors_own_origin(collector: Collector, browser: Browser) -> None:
    """There the worker has the policy of its own response: it must allow what Pyodide needs."""
    page = browser.page()
    page.route("**/own", lambda route: route.fulfill(content_type="text/html", body=tag(collector, runtime="pyodide")))
    ready(page, collector.url + "/own")
    page.evaluate("beknown.capture('here'); beknown.flush()")
    collector.wait_for("here")
    assert browser.said == []


BLOCKED = [test_storage.COOKIES_THAT_THROW, test_storage.NO_LOCAL_STORAGE, test_storage.NO_SESSION_STORAGE]

# What the tag must do on either runtime, where it takes the calls by itself: the tests are those of MicroPython.
THE_SAME: list[tuple[Callable[..., None], dict[str, Any]]] = [
    (test_visitor.test_a_first_visit_gets_an_id_that_reload_second_page_and_restart_keep, {"first": "page"}),
    (test_visitor.test_sign_up_makes_the_anonymous_visitor_a_person_with_their_whole_history, {"first": "server"}),
    (test_visitor.test_sign_up_makes_the_anonymous_visitor_a_person_with_their_whole_history, {"first": "page"}),
    (test_visitor.test_log_out_starts_a_new_anonymous_visitor_on_the_same_device, {"first": "page"}),
    (test_leaving.test_identify_and_a_full_page_navigation_lose_nothing, {"first": "page", "moment": "started"}),
    (test_leaving.test_a_burst_of_captures_leaves_in_order_and_once, {}),
    (test_tabs.test_a_log_in_and_a_log_out_in_one_tab_are_followed_by_the_other_before_its_next_event, {}),
    (test_policies.test_a_strict_policy_that_names_the_collector_is_enough, {"more": ""}),
    (test_consent.test_pending_stores_and_sends_nothing_and_a_yes_replays_what_waited, {}),
    (test_page_options.test_the_pages_functions_edit_drop_and_hear_every_event, {"first": "page"}),
    (test_delivery.test_a_page_waits_until_the_date_that_a_refusal_names, {"path": "/e/"}),
    (
        test_storage.test_blocked_storage_never_shows_in_the_page,
        {"blocked": BLOCKED, "id_lasts": False, "first": "page"},
    ),
    (test_misfortune.test_a_worker_that_dies_is_replaced_once_and_then_the_servers_python_takes_its_calls, {}),
    (test_choice.test_an_answer_from_the_worker_is_an_occasion_to_hear_of_a_no, {}),
]


@pytest.mark.parametrize(
    ("test", "how"),
    THE_SAME,
    ids=["-".join([t.__name__[5:], *(each for each in how.values() if isinstance(each, str))]) for t, how in THE_SAME],
)
def test_the_same_on_pyodide(
    test: Callable[..., None], how: dict[str, Any], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setitem(test.__globals__, "tag", functools.partial(tag, runtime="pyodide", load="eager"))
    patient = functools.partial(until, patience=SLOW / 1000)
    monkeypatch.setattr(conftest, "until", patient)
    monkeypatch.setitem(test.__globals__, "until", patient)  # Pyodide takes seconds to start
    given: dict[str, Any] = dict(how)
    for name in inspect.signature(test).parameters:
        if name not in given:
            fixture = {"any_browser": "browser", "lasting_browser": "lasting_chromium"}.get(name, name)
            given[name] = request.getfixturevalue(fixture)
    test(**given)
