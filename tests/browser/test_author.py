"""Whoever sets the tag up wrongly is told in the console what to mend, and the page goes on."""

from __future__ import annotations

import pytest

from .conftest import Browser, Collector, Site, tag, until


def said(browser: Browser, *words: str) -> None:
    until(
        lambda: any(all(word in line for word in words) for line in browser.listen()),
        f"a console message with {words}; said: {browser.said}",
    )


@pytest.mark.parametrize("first", ["server", "page"])
def test_a_wrong_key_names_the_attribute_to_mend(
    collector: Collector, site: Site, browser: Browser, first: str
) -> None:
    page = browser.page()
    page.goto(site.add("/", tag(collector, key="bk_unknown", first=first)))
    said(browser, "data-key")
    page.evaluate("beknown.capture('x'); beknown.identify('ada')")
    page.evaluate("beknown.flush()")
    assert collector.events() == []
    assert len([line for line in browser.said if "data-key" in line]) == 1


def test_a_missing_key_names_the_attribute_and_calls_do_not_throw(
    collector: Collector, site: Site, browser: Browser
) -> None:
    page = browser.page()
    page.goto(site.add("/", f'<script async src="{collector.url}/beknown.js"></script>'))
    said(browser, "data-key")
    page.evaluate("beknown.capture('x'); beknown.identify('ada'); beknown.reset(); beknown.get_distinct_id()")
    assert collector.events() == []


@pytest.mark.parametrize("first", ["server", "page"])
def test_junk_ids_are_refused_on_the_device_loudly(
    collector: Collector, site: Site, browser: Browser, first: str
) -> None:
    page = browser.page()
    page.goto(site.add("/", tag(collector, first=first)))
    page.wait_for_function("window.beknown")
    visitor = page.evaluate("beknown.get_distinct_id()")
    for junk in ("null", "'null'", "undefined", "''", "String({})", "{}", "true", "0", "'anonymous'", "NaN"):
        page.evaluate(f"beknown.identify({junk})")
    page.evaluate("beknown.identify(beknown.get_distinct_id())")
    page.evaluate("beknown.capture('after')")
    page.evaluate("beknown.flush()")
    (after,) = collector.wait_for("after")
    assert after["distinct_id"] == visitor
    assert collector.events("$identify") == []
    until(lambda: len([line for line in browser.listen() if "Pass the user's own" in line]) >= 10, str(browser.said))
    said(browser, "own anonymous id")


def test_a_second_copy_of_the_tag_is_ignored_and_says_so(collector: Collector, site: Site, browser: Browser) -> None:
    page = browser.page()
    page.goto(site.add("/", tag(collector) * 2))
    said(browser, "twice")
    page.evaluate("beknown.ready.then(beknown.flush)")
    collector.wait_for("$pageview")
    assert len(collector.events("$pageview")) == 1


def test_values_that_json_cannot_hold_are_refused_and_the_next_call_works(
    collector: Collector, site: Site, browser: Browser
) -> None:
    page = browser.page()
    page.goto(site.add("/", tag(collector)))
    page.wait_for_function("window.beknown")
    page.evaluate("const loop = {}; loop.loop = loop; beknown.capture('loop', loop); beknown.capture('big', {n: 10n})")
    page.evaluate("beknown.capture(); beknown.capture(5); beknown.capture('fine')")
    page.evaluate("beknown.flush()")
    collector.wait_for("fine")
    assert [event["event"] for event in collector.events()] == ["$pageview", "big", "fine"]
    assert "n" not in collector.events("big")[0]["properties"]
    said(browser, "capture() failed")
    said(browser, "properties.n is [object BigInt]")
    said(browser, "event's name")
