"""Whoever sets the tag up wrongly is told in the console what to mend, and the page goes on."""

from __future__ import annotations

import pytest

from .conftest import AnyBrowser, Browser, Collector, Line, Site, tag, until
from .line import DROPPED


def said(browser: AnyBrowser, *words: str) -> None:
    until(
        lambda: any(all(word in line for word in words) for line in browser.listen()),
        f"a console message with {words}; said: {browser.said}",
    )


@pytest.mark.parametrize("first", ["server", "page"])
def test_a_wrong_key_names_the_attribute_to_mend(
    collector: Collector, site: Site, any_browser: AnyBrowser, first: str
) -> None:
    page = any_browser.page()
    page.goto(site.add("/", tag(collector, key="bk_unknown", first=first)))
    said(any_browser, "data-key")
    page.evaluate("beknown.capture('x'); beknown.identify('ada')")
    page.evaluate("beknown.flush()")
    assert collector.events() == []
    assert len([line for line in any_browser.said if "data-key" in line]) == 1


def test_a_missing_key_names_the_attribute_and_calls_do_not_throw(
    collector: Collector, site: Site, any_browser: AnyBrowser
) -> None:
    page = any_browser.page()
    page.goto(site.add("/", f'<script async src="{collector.url}/beknown.js"></script>'))
    said(any_browser, "data-key")
    page.evaluate("beknown.capture('x'); beknown.identify('ada'); beknown.reset(); beknown.get_distinct_id()")
    assert collector.events() == []


@pytest.mark.parametrize("first", ["server", "page"])
def test_junk_ids_are_refused_on_the_device_loudly(
    collector: Collector, site: Site, any_browser: AnyBrowser, first: str
) -> None:
    page = any_browser.page()
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
    until(
        lambda: len([line for line in any_browser.listen() if "Pass the user's own" in line]) >= 10,
        str(any_browser.said),
    )
    said(any_browser, "own anonymous id")


def test_a_second_copy_of_the_tag_is_ignored_and_says_so(
    collector: Collector, site: Site, any_browser: AnyBrowser
) -> None:
    page = any_browser.page()
    page.goto(site.add("/", tag(collector) * 2))
    said(any_browser, "twice")
    page.evaluate("beknown.ready.then(beknown.flush)")
    collector.wait_for("$pageview")
    assert len(collector.events("$pageview")) == 1


def test_values_that_json_cannot_hold_are_refused_and_the_next_call_works(
    collector: Collector, site: Site, any_browser: AnyBrowser
) -> None:
    page = any_browser.page()
    page.goto(site.add("/", tag(collector)))
    page.wait_for_function("window.beknown")
    page.evaluate("const loop = {}; loop.loop = loop; beknown.capture('loop', loop); beknown.capture('big', {n: 10n})")
    page.evaluate("beknown.capture(); beknown.capture(5); beknown.capture('fine')")
    page.evaluate("beknown.flush()")
    collector.wait_for("fine")
    assert [event["event"] for event in collector.events()] == ["$pageview", "big", "fine"]
    assert "n" not in collector.events("big")[0]["properties"]
    said(any_browser, "capture() failed")
    said(any_browser, "properties.n is [object BigInt]")
    said(any_browser, "event's name")


@pytest.mark.parametrize(
    ("runtime", "first"), [("micropython", "server"), ("micropython", "page"), ("pyodide", "page")]
)
def test_an_author_who_asks_is_told_what_the_tag_does(
    collector: Collector, site: Site, browser: Browser, runtime: str, first: str
) -> None:
    page = browser.page()
    if first == "server":
        page.add_init_script("window.Worker = undefined")  # so that its Python takes every call
    page.goto(site.add("/", tag(collector, runtime=runtime, first=first, debug="")))
    page.wait_for_function("window.beknown")
    visitor = page.evaluate("beknown.get_distinct_id()")
    page.evaluate("beknown.capture('clicked', {plan: 'pro'}); beknown.identify('ada'); beknown.identify('null')")
    page.evaluate("beknown.flush()")
    collector.wait_for("$identify")
    said(browser, f"visitor {visitor} anonymous")
    said(browser, "call capture", '["clicked", {"plan": "pro"}]')
    said(browser, "event clicked", f'"distinct_id": "{visitor}"', '"plan": "pro"')
    said(browser, "call identify", '["ada"]')
    said(browser, "visitor ada identified")
    said(browser, "event $identify", '"$anon_distinct_id"')
    said(browser, "no event")
    said(browser, "sent ", " events")
    said(browser, "answer 200")
    assert any("calls to the server's Python" in line for line in browser.said) is (first == "server")


def test_an_author_is_told_of_a_batch_that_got_no_answer(
    collector: Collector, line: Line, site: Site, browser: Browser
) -> None:
    line.faults |= {"/run": 503, "/e/": DROPPED}
    page = browser.page()
    page.goto(site.add("/", tag(line, debug="true")))
    said(browser, "answer 503 of the server's Python")
    said(browser, "answer none wait")


@pytest.mark.parametrize("more", [{}, {"debug": "false"}])
def test_an_author_who_does_not_ask_is_told_nothing(
    collector: Collector, site: Site, browser: Browser, more: dict[str, str]
) -> None:
    page = browser.page()
    page.goto(site.add("/", tag(collector, **more)))
    page.wait_for_function("window.beknown")
    page.evaluate("beknown.capture('one'); beknown.ready.then(beknown.flush)")
    page.evaluate("beknown.capture('two'); beknown.flush()")
    collector.wait_for("two")
    assert browser.listen() == []


def test_a_browser_that_names_a_program_among_its_brands_alone_is_not_counted(
    collector: Collector, site: Site, browser: Browser
) -> None:
    page = browser.page()
    page.add_init_script("Object.defineProperty(Navigator.prototype, 'webdriver', { get: () => false })")
    agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
    told = {"platform": "Linux", "platformVersion": "", "architecture": "x86", "model": "", "mobile": False}
    assert browser.context is not None
    session = browser.context.new_cdp_session(page)
    for name, count in (("HeadlessChrome", 0), ("Google Chrome", 1)):
        brands = told | {"brands": [{"brand": name, "version": "142"}]}
        session.send("Emulation.setUserAgentOverride", {"userAgent": agent, "userAgentMetadata": brands})
        page.goto(site.add("/", tag(collector, bots="", first="page")))
        page.evaluate("beknown.ready.then(beknown.flush)")
        assert len(collector.events("$pageview")) == count
