"""data-runtime="pyodide": the tag runs the same core on CPython in its worker."""

from __future__ import annotations

from playwright.sync_api import Page

from .conftest import Browser, Collector, Site, tag

LONGEST = 100  # ms; a task on the main thread that is longer than this would be felt
WATCH = "new PerformanceObserver((list) => (window.tasks ||= []).push(...list.getEntries().map((e) => e.duration)))"


def ready(page: Page, url: str) -> None:
    page.set_default_timeout(60_000)
    page.goto(url)
    assert page.evaluate("beknown.ready")["runtime"] == "pyodide"


def test_the_tag_runs_on_pyodide_and_does_not_block_the_page(
    collector: Collector, site: Site, browser: Browser
) -> None:
    script = WATCH + ".observe({entryTypes: ['longtask']})"
    url = site.add("/", tag(collector, runtime="pyodide", load="eager", first="page"), script=script)
    page = browser.page()
    ready(page, url)
    assert max(page.evaluate("window.tasks || []"), default=0) < LONGEST
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
