"""A page may be left at any moment: what it asked for reaches the server, once, by the next page at the latest."""

from __future__ import annotations

import time

import pytest

from .conftest import AnyBrowser, Collector, Line, Site, tag, until
from .firefox import FirefoxBrowser
from .line import DROPPED

GO = "beknown.capture('clicked'); beknown.identify('ada', {plan: 'pro'}); location.href = '/next'"


def journey(collector: Collector) -> list[tuple[str, str]]:
    return [
        (event["event"], event["distinct_id"])
        for event in collector.events()
        if event["event"] in ("clicked", "$identify", "arrived")
    ]


def begun(browser: AnyBrowser) -> str:
    """Name what a page gets to while start.js is being imported: that holds up the load event, in Firefox alone."""
    return "commit" if isinstance(browser, FirefoxBrowser) else "load"


@pytest.mark.parametrize("moment", ["not-started", "starting", "started"])
@pytest.mark.parametrize("first", ["server", "page"])
def test_identify_and_a_full_page_navigation_lose_nothing(
    collector: Collector, line: Line, site: Site, any_browser: AnyBrowser, moment: str, first: str
) -> None:
    home, arrived = site.add("/", tag(line, first=first)), site.add("/next", tag(line, first=first))
    page = any_browser.page()
    # "starting": the worker runs, but its runtime does not arrive.
    line.hold(*{"not-started": ["/v/"], "starting": [".wasm"], "started": []}[moment])
    page.goto(home, wait_until=begun(any_browser) if moment == "not-started" else "load")
    page.wait_for_function("window.beknown")
    if moment == "started":
        page.evaluate("beknown.ready")
    visitor = page.evaluate("beknown.get_distinct_id()")
    page.evaluate(GO)
    if begun(any_browser) == "load":
        page.wait_for_url(arrived)
    page.wait_for_function(f"location.href == '{arrived}' && window.beknown")
    line.release()
    page.reload()
    page.wait_for_function("window.beknown")
    page.evaluate("beknown.capture('arrived')")
    page.evaluate("beknown.flush()")
    collector.wait_for("arrived")
    assert journey(collector) == [("clicked", visitor), ("$identify", "ada"), ("arrived", "ada")]
    ada = collector.person("ada")
    assert sorted(ada["distinct_ids"]) == sorted([visitor, "ada"])


def test_a_server_that_is_down_gets_everything_once_it_is_back(
    collector: Collector, site: Site, any_browser: AnyBrowser
) -> None:
    home = site.add("/", tag(collector))
    page = any_browser.page()
    page.goto(home)
    page.evaluate("beknown.ready")
    visitor = page.evaluate("beknown.get_distinct_id()")
    collector.stop()
    page.evaluate("beknown.capture('clicked'); beknown.identify('ada')")
    time.sleep(0.5)
    collector.start()
    page.goto(home)
    page.wait_for_function("window.beknown")
    page.evaluate("beknown.capture('arrived')")
    collector.wait_for("arrived")
    until(lambda: len(journey(collector)) == 3, "three events")
    assert journey(collector) == [("clicked", visitor), ("$identify", "ada"), ("arrived", "ada")]


def test_a_closed_tab_is_finished_by_the_next_visit(
    collector: Collector, line: Line, site: Site, any_browser: AnyBrowser
) -> None:
    home = site.add("/", tag(line, first="page"))
    line.faults["/run"] = DROPPED  # its farewell
    line.hold("/v/")
    page = any_browser.page()
    page.goto(home, wait_until=begun(any_browser))
    page.wait_for_function("window.beknown")
    page.evaluate("beknown.capture('clicked')")
    page.close()
    line.release()
    page = any_browser.page()
    # Another tab's entries are adopted once they are too old to be on their way: pretend that half a minute passed.
    page.add_init_script("const real = Date.now; Date.now = () => real() + 31000")
    page.goto(home)
    page.evaluate("beknown.ready")
    assert len(collector.wait_for("clicked")) == 1


def test_a_burst_of_captures_leaves_in_order_and_once(
    collector: Collector, site: Site, any_browser: AnyBrowser
) -> None:
    page = any_browser.page()
    page.goto(site.add("/", tag(collector)))
    page.wait_for_function("window.beknown")
    page.evaluate("for (let n = 0; n < 90; n++) beknown.capture('burst', {n})")
    page.evaluate("beknown.flush()")
    burst = collector.wait_for("burst", 90)
    assert [event["properties"]["n"] for event in burst] == list(range(90))
    assert page.evaluate("Object.keys(localStorage).filter((name) => name.includes('~')).length") == 0


@pytest.mark.parametrize("edits", [False, True], ids=["heard-of", "edited"])
def test_events_that_the_page_only_hears_of_leave_with_its_farewell_and_those_it_edits_do_not(
    collector: Collector, line: Line, site: Site, any_browser: AnyBrowser, edits: bool
) -> None:
    page = any_browser.page()
    line.hold(".wasm")  # Python never comes up in this page
    page.goto(site.add("/", tag(line, first="page")))
    page.wait_for_function("window.beknown")
    page.evaluate("beknown.on('capture', () => {}); 0")  # Playwright would call the function that it gives
    if edits:
        page.evaluate("beknown.before_send((event) => event); 0")
    # Whether a function edits is known once hooks.js has come; until then the page's events wait for the next page.
    page.wait_for_function("performance.getEntriesByType('resource').some(({name}) => name.endsWith('/hooks.js'))")
    page.wait_for_timeout(300)
    page.evaluate("beknown.capture('clicked')")
    page.goto(site.add("/blank", ""))
    until(lambda: line.asked("/run"), "a farewell")
    if edits:
        page.wait_for_timeout(500)
        assert collector.events() == []
    else:
        collector.wait_for("clicked")
    line.release()
