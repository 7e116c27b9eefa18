"""What goes wrong in the page's own browser: a worker that dies, a script that stays away, a clock that was wrong."""

from __future__ import annotations

from collections import Counter

import pytest
from beknown_server.snippet import INLINE

from .conftest import KEY, AnyBrowser, Collector, Line, Site, tag, until
from .line import DROPPED
from .test_choice import WORKERS
from .test_consent import opened
from .test_delivery import HASTE, without_worker
from .test_leaving import begun


def test_a_worker_that_dies_is_replaced_once_and_then_the_servers_python_takes_its_calls(
    collector: Collector, line: Line, site: Site, any_browser: AnyBrowser
) -> None:
    page = any_browser.page()
    page.add_init_script(WORKERS)
    page.goto(site.add("/", tag(line, first="page")))
    page.wait_for_function("window.beknown")
    for life, event in enumerate(["first", "second"], 1):
        page.evaluate("beknown.ready.then(beknown.flush)")
        page.wait_for_function(f"workers.length == {min(life, 2)}")
        line.hold("/e/")
        asked = line.asked("/e/")
        page.evaluate(f"beknown.capture('{event}'); 0")
        until(lambda asked=asked: line.asked("/e/") > asked, "the event to be on its way")
        page.evaluate("workers.at(-1).postMessage('no JSON'); 0")  # what Python raises is thrown there
        page.wait_for_timeout(300)
        line.release()
        page.evaluate("beknown.flush()")
        assert len(collector.wait_for(event)) == 1
    before = line.asked("/run")
    page.evaluate("beknown.capture('third'); beknown.flush()")
    collector.wait_for("third")
    assert line.asked("/run") > before
    assert page.evaluate("workers.length") == 2
    assert max(Counter(event["uuid"] for event in collector.events()).values()) == 1
    any_browser.errors.clear()  # Firefox tells of what was thrown in the worker


def test_a_worker_is_told_that_the_server_has_answered_the_page(
    collector: Collector, site: Site, any_browser: AnyBrowser
) -> None:
    """Then it asks for as long as an outage lasts: whoever was answered is not blocked (retry.py)."""
    for path, first in (("/", "server"), ("/unheard", "page")):
        page = any_browser.page()
        page.add_init_script(
            "const Real = Worker; window.posted = [];"
            "window.Worker = class extends Real { postMessage(text) { posted.push(text); super.postMessage(text) } }"
        )
        page.goto(site.add(path, tag(collector, first=first)))
        page.wait_for_function("window.beknown")
        page.evaluate("beknown.ready.then(beknown.flush)")
        facts = "posted.map(JSON.parse).find((each) => each.start).start.facts"
        assert page.evaluate(f"{facts}.heard ?? false") is (first == "server")


def test_flush_waits_again_where_a_worker_that_had_stopped_goes_on(
    collector: Collector, line: Line, site: Site, any_browser: AnyBrowser
) -> None:
    line.faults["/e/"] = 401
    page = any_browser.page()
    page.add_init_script(WORKERS)
    page.goto(site.add("/", tag(line, first="page")))
    until(lambda: any("data-key" in text for text in any_browser.listen()), "it to stop")
    page.evaluate("beknown.flush()")
    line.faults.clear()
    line.hold("/e/")
    page.evaluate("""
        dispatchEvent(new Event("online"));
        window.flushed = 0;
        beknown.flush().then(() => (flushed = 1));
        0
    """)
    page.wait_for_timeout(300)
    assert page.evaluate("flushed") == 0
    line.release()
    page.wait_for_function("flushed")
    assert len(collector.events("$pageview")) == 1


def test_without_the_script_of_the_pages_functions_nothing_leaves_unseen_and_flush_ends(
    collector: Collector, line: Line, site: Site, any_browser: AnyBrowser
) -> None:
    line.faults["hooks.js"] = 503
    edit = "beknown.before_send((event) => ({...event, properties: {...event.properties, edited: true}}))"
    page = opened(any_browser, site.add("/", f"{INLINE}<script>{edit}</script>" + tag(line)))
    page.wait_for_function("window.beknown.consent")
    page.evaluate("beknown.capture('x')")
    page.evaluate("beknown.flush()")
    page.evaluate("beknown.ready.then(beknown.flush)")
    assert collector.events() == []
    assert len([text for text in any_browser.listen() if "hooks.js" in text]) == 1
    line.faults.clear()
    page.evaluate("dispatchEvent(new Event('online')); 0")
    collector.wait_for("x")
    assert {event["properties"].get("edited") for event in collector.events()} == {True}
    any_browser.errors.clear()  # Firefox tells of what did not arrive


def test_a_blocked_script_of_the_pages_functions_is_not_asked_for_at_every_call(
    collector: Collector, line: Line, site: Site, any_browser: AnyBrowser
) -> None:
    line.faults["hooks.js"] = 503
    page = opened(any_browser, site.add("/", f"{INLINE}<script>beknown.on('capture', () => 0)</script>" + tag(line)))
    page.wait_for_function("window.beknown.consent")
    until(lambda: any("hooks.js" in text for text in any_browser.listen()), "a message")
    for number in range(5):
        page.evaluate(f"beknown.capture('x', {{number: {number}}}); 0")
        page.wait_for_timeout(100)
    assert line.asked("hooks.js") <= 2  # again once Python is up
    line.faults.clear()
    page.evaluate("dispatchEvent(new Event('online')); 0")
    collector.wait_for("x", 5)
    any_browser.errors.clear()  # Firefox tells of what did not arrive


def test_what_is_said_of_calls_under_way_is_told_to_a_function_that_came_after_them(
    line: Line, site: Site, any_browser: AnyBrowser
) -> None:
    line.hold("/run")
    page = any_browser.page()
    page.goto(site.add("/", tag(line, key="bk_unknown"), headers=without_worker(line)))
    page.wait_for_function("window.beknown")
    until(lambda: line.asked("/run"), "the page view to be on its way")
    page.evaluate("window.told = []; beknown.on('error', (text) => told.push(text)); 0")
    until(lambda: line.asked("hooks.js"), "the script of the page's functions to be asked for")
    page.wait_for_timeout(300)
    line.release()
    told = until(lambda: page.evaluate("told"), "the page's function to be told")
    assert "data-key" in told[0]


@pytest.mark.parametrize("after", ["3000000", "86400"])  # ms that do not fit a timer are none; a day is too long
def test_a_collector_that_asks_for_too_long_a_wait_is_asked_after_five_minutes(
    line: Line, site: Site, any_browser: AnyBrowser, after: str
) -> None:
    line.faults["/run"], line.retry_after = 503, after
    page = any_browser.page()
    page.add_init_script(
        "window.waits = []; const real = setTimeout;"
        "window.setTimeout = (call, ms, ...more) => { waits.push(ms); return real(call, ms, ...more) }"
    )
    page.goto(site.add("/", tag(line), headers=without_worker(line)))
    until(lambda: page.evaluate("waits.includes(3e5)"), "the wait to begin")
    page.wait_for_timeout(500)
    assert line.asked("/run") == 1
    assert max(page.evaluate("waits.filter(Boolean)")) == 3e5


def test_an_address_where_no_collector_is_is_named_where_no_worker_starts(
    line: Line, site: Site, any_browser: AnyBrowser
) -> None:
    line.faults["/run"] = 404
    page = opened(any_browser, site.add("/", tag(line), headers=without_worker(line)))
    page.evaluate("beknown.flush()")
    until(lambda: any("404" in text and "data-api" in text for text in any_browser.listen()), "a message")
    assert len(any_browser.said) == 1


def test_a_call_larger_in_bytes_than_in_characters_is_delivered_and_holds_up_nothing(
    collector: Collector, line: Line, site: Site, any_browser: AnyBrowser
) -> None:
    """fetch takes 64 KiB of bytes where the request is to outlive the page."""
    page = any_browser.page()
    page.add_init_script(HASTE)
    page.goto(site.add("/", tag(line), headers=without_worker(line)))
    page.wait_for_function("window.beknown")
    page.evaluate("beknown.capture('large', {text: '\\u65e5'.repeat(25000)}); beknown.capture('next'); beknown.flush()")
    collector.wait_for("next")
    (large,) = collector.wait_for("large")
    assert large["properties"]["text"] == "\u65e5" * 25000


def test_a_call_too_large_for_a_farewell_is_passed_over_and_goes_with_the_next_page(
    collector: Collector, line: Line, site: Site, any_browser: AnyBrowser
) -> None:
    line.hold("/v/")
    page = any_browser.page()
    page.goto(site.add("/", tag(line)), wait_until=begun(any_browser))
    page.wait_for_function("window.beknown")
    page.evaluate("beknown.capture('large', {text: '\\u65e5'.repeat(25000)}); beknown.capture('small')")
    page.goto(site.add("/empty", "<!-- no tag here -->"))
    collector.wait_for("small")
    collector.wait_for("$pageleave")
    assert collector.events("large") == []
    line.release()
    page.goto(site.add("/next", tag(line)))
    collector.wait_for("large")
    assert len(collector.events("small")) == 1


def test_what_a_clock_that_was_fast_left_is_taken_over(
    collector: Collector, line: Line, site: Site, any_browser: AnyBrowser
) -> None:
    home = site.add("/", tag(line, first="page", pageviews="off"))
    line.faults["/run"] = DROPPED  # its farewell
    line.hold("/v/")
    page = any_browser.page()
    page.add_init_script("const real = Date.now; Date.now = () => real() + 36e5")
    page.goto(home, wait_until=begun(any_browser))
    page.wait_for_function("window.beknown")
    page.evaluate("beknown.capture('clicked')")
    page.close()
    line.release()
    page = opened(any_browser, home)
    page.evaluate("beknown.ready")
    assert len(collector.wait_for("clicked")) == 1


def test_two_tags_share_the_one_policy_that_a_page_may_have_and_both_hear_of_a_no(
    collector: Collector, site: Site, any_browser: AnyBrowser
) -> None:
    policy = f"default-src 'none'; script-src {collector.url} 'wasm-unsafe-eval'; worker-src blob:; "
    policy += f"connect-src {collector.url}; require-trusted-types-for 'script'; trusted-types beknown"
    tags = tag(collector) + tag(collector, key="bk_other", **{"global": "other"})
    home = site.add("/", tags, headers={"Content-Security-Policy": policy})
    page, tab = opened(any_browser, home), opened(any_browser, home)
    for each in (page, tab):
        each.wait_for_function("window.other")
        each.evaluate("Promise.all([beknown.ready, other.ready])")
    tab.evaluate("other.opt_out(); beknown.opt_out()")
    for key in (KEY, "bk_other"):
        mark = f"sessionStorage.getItem('bk_{key}~tab')"  # asked of the page itself, consent() would look
        until(lambda mark=mark: page.evaluate(mark) is None, f"the tag of {key} to have heard")


def test_python_starts_on_a_page_that_is_never_idle(collector: Collector, site: Site, any_browser: AnyBrowser) -> None:
    page = any_browser.page()
    page.add_init_script(
        "window.requestIdleCallback = (call, {timeout} = {}) => { if (timeout) setTimeout(call, timeout / 100) }"
    )
    page.goto(site.add("/", tag(collector)))
    page.wait_for_function("window.beknown")
    assert page.evaluate("beknown.ready")["runtime"] == "micropython"
