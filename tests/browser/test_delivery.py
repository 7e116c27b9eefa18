"""A collector that refuses, is gone or is blocked: asked again with patience, and never for ever."""

from __future__ import annotations

from email.utils import formatdate
from time import time

import pytest

from .conftest import KEY, AnyBrowser, Browser, Collector, Line, Site, tag, until
from .line import DROPPED
from .pyscript import opened, script

# The time between two tries is two seconds and more: timers run four times as fast.
HASTE = "const real = setTimeout; window.setTimeout = (call, ms, ...more) => real(call, (ms || 0) / 4, ...more)"


def without_worker(line: Line) -> dict[str, str]:
    """A policy under which no worker starts: the server's Python takes every call."""
    return {"Content-Security-Policy": f"default-src 'none'; script-src {line.url}; connect-src {line.url}"}


@pytest.mark.parametrize("fault", [500, 429, DROPPED])
def test_where_no_worker_can_start_a_failed_run_is_asked_again_while_the_page_lives(
    collector: Collector, line: Line, site: Site, any_browser: AnyBrowser, fault: int
) -> None:
    line.faults["/run"] = fault
    line.retry_after = "3" if fault == 429 else ""
    page = any_browser.page()
    page.add_init_script(HASTE)
    page.goto(site.add("/", tag(line), headers=without_worker(line)))
    page.wait_for_function("window.beknown")
    visitor = page.evaluate("beknown.get_distinct_id()")
    until(lambda: line.asked("/run") >= 2, "a second try")
    page.evaluate("beknown.capture('one'); beknown.identify('ada'); beknown.capture('two')")
    line.faults.clear()
    page.evaluate("beknown.flush()")
    collector.wait_for("two")
    assert [(event["event"], event["distinct_id"]) for event in collector.events()] == [
        ("$pageview", visitor),
        ("one", visitor),
        ("$identify", "ada"),
        ("two", "ada"),
    ]
    assert any_browser.listen() == []


@pytest.mark.parametrize("path", ["/e/", "/run"])
def test_a_page_waits_until_the_date_that_a_refusal_names(
    line: Line, site: Site, any_browser: AnyBrowser, path: str
) -> None:
    line.faults[path] = 429
    line.retry_after = formatdate(time() + 3600, usegmt=True)
    page = any_browser.page()
    by_worker = path == "/e/"
    home = tag(line, first="page" if by_worker else "server")
    page.goto(site.add("/", home, headers={} if by_worker else without_worker(line)))
    until(lambda: line.asked(path) == 1, "a first try")
    page.wait_for_timeout(3000)  # the second would come after two seconds and a half at most
    assert line.asked(path) == 1


@pytest.mark.parametrize("setting", ["mpy", "py"])
def test_a_page_of_python_waits_until_the_date_that_a_refusal_names(
    collector: Collector, line: Line, site: Site, browser: Browser, setting: str
) -> None:
    line.faults["/e/"] = 429
    line.retry_after = formatdate(time() + 3600, usegmt=True)
    code = f"""
import beknown, js
beknown.init("{KEY}", api="{line.url}", bots="count")
js.document.body.setAttribute("data-begun", "")
"""
    page = opened(browser, site.add("/", script(collector, setting, code)), "data-begun")
    until(lambda: line.asked("/e/") == 1, "a first try")
    page.wait_for_timeout(3000)
    assert line.asked("/e/") == 1
    browser.listen()
    browser.errors.clear()  # the browser's own line about a 429


def test_a_collector_that_is_blocked_is_not_asked_for_ever_and_flush_ends(
    line: Line, site: Site, any_browser: AnyBrowser
) -> None:
    line.faults |= {"/run": DROPPED, "/e/": DROPPED}
    page = any_browser.page()
    page.add_init_script(HASTE)
    page.goto(site.add("/", tag(line), headers=without_worker(line)))
    page.wait_for_function("window.beknown")
    page.evaluate("beknown.capture('x')")
    page.evaluate("beknown.flush()")
    asked = line.asked("/run")
    page.evaluate("beknown.capture('y')")
    page.wait_for_timeout(1500)
    assert line.asked("/run") == asked
    assert any_browser.listen() == []
    line.faults.clear()
    page.evaluate("dispatchEvent(new Event('online')); 0")
    until(lambda: line.asked("/run") > asked, "another try once the browser is online again")


@pytest.mark.parametrize("worker", [True, False], ids=["worker", "no-worker"])
def test_a_refused_key_is_said_once_and_nothing_is_asked_again(
    line: Line, site: Site, any_browser: AnyBrowser, worker: bool
) -> None:
    page = any_browser.page()
    page.goto(site.add("/", tag(line, key="bk_unknown"), headers={} if worker else without_worker(line)))
    until(lambda: any("data-key" in text for text in any_browser.listen()), "a message")
    page.evaluate("beknown.capture('x')")
    page.evaluate("beknown.flush()")
    asked = line.asked("/run") + line.asked("/e/")
    page.evaluate("beknown.capture('y')")
    page.wait_for_timeout(1000)
    assert line.asked("/run") + line.asked("/e/") == asked
    assert len(any_browser.listen()) == 1


def test_a_site_that_answers_everything_with_its_own_page_has_taken_nothing(
    collector: Collector, line: Line, site: Site, any_browser: AnyBrowser
) -> None:
    line.faults |= {"/run": 200, "/e/": 200}
    page = any_browser.page()
    home = site.add("/", tag(line))
    page.goto(home)
    until(lambda: any("data-api" in text for text in any_browser.listen()), "a message")
    page.evaluate("beknown.capture('x')")
    line.faults.clear()
    page.goto(home)
    collector.wait_for("x")
    assert [event["event"] for event in collector.events()][:2] == ["$pageview", "x"]


def test_a_call_larger_than_the_collector_takes_is_dropped_aloud_and_what_follows_arrives(
    collector: Collector, line: Line, site: Site, any_browser: AnyBrowser
) -> None:
    page = any_browser.page()
    page.add_init_script(HASTE)
    page.goto(site.add("/", tag(line), headers=without_worker(line)))
    page.wait_for_function("window.beknown")
    page.evaluate("beknown.capture('huge', {text: 'x'.repeat(2.5e6)}); beknown.capture('after')")
    page.evaluate("beknown.flush()")
    collector.wait_for("after")
    assert [event["event"] for event in collector.events()] == ["$pageview", "after"]
    assert len([text for text in any_browser.listen() if "larger than the collector takes" in text]) == 1
    assert page.evaluate("Object.keys(localStorage).filter((name) => name.includes('~')).length") == 0


def test_the_worker_packs_what_is_worth_it(
    collector: Collector, line: Line, site: Site, any_browser: AnyBrowser
) -> None:
    page = any_browser.page()
    page.goto(site.add("/", tag(line, first="page")))
    page.wait_for_function("window.beknown")
    page.evaluate("beknown.capture('small'); beknown.flush()")
    page.evaluate("for (let n = 0; n < 30; n++) beknown.capture('one of many', {n, text: 'ab'.repeat(200)})")
    page.evaluate("beknown.flush()")
    assert [each["properties"]["n"] for each in collector.wait_for("one of many", 30)] == list(range(30))
    sizes = {len(body["batch"]): share for (path, body), share in zip(line.bodies, line.shares, strict=True)}
    assert min(sizes.values()) < 0.2, "a batch travels packed"
    assert sizes[max(sizes)] == min(sizes.values())


def test_more_than_one_request_may_carry_is_sent_in_pieces(
    collector: Collector, line: Line, site: Site, any_browser: AnyBrowser
) -> None:
    page = any_browser.page()
    page.goto(site.add("/", tag(line), headers=without_worker(line)))
    page.wait_for_function("window.beknown")
    # Two hundred kilobytes: over what fetch(keepalive) and sendBeacon allow together.
    page.evaluate("for (let n = 0; n < 90; n++) beknown.capture('large', {n, text: 'x'.repeat(2000)})")
    page.evaluate("beknown.flush()")
    found = collector.wait_for("large", 90)
    assert [event["properties"]["n"] for event in found] == list(range(90))
    assert page.evaluate("Object.keys(localStorage).filter((name) => name.includes('~')).length") == 0
