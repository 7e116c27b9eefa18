"""Several tabs of one visitor: one id, one session, one journal; what is sent is sent once."""

from __future__ import annotations

import json
import time
from collections import Counter

from .conftest import AnyBrowser, Collector, Line, Site, tag, until

ID = "beknown.get_distinct_id()"
# Runs the tag's script at a moment that tabs have agreed on, to the millisecond. Both are seen, as two windows' are.
AT_ONCE = """
Object.defineProperty(document, 'hidden', { value: false });
window.begin = (source, when) => {
  while (Date.now() < when);
  const script = document.createElement('script');
  Object.assign(script.dataset, {key: 'bk_browsertests', bots: 'count'});
  script.src = source;
  document.head.append(script);
};
"""


def test_two_tabs_opened_at_once_on_a_first_visit_agree_on_one_id(
    collector: Collector, site: Site, any_browser: AnyBrowser
) -> None:
    blank = site.add("/", "<!-- no tag here -->")
    tabs = [any_browser.page(), any_browser.page()]
    for tab in tabs:
        tab.add_init_script(AT_ONCE)
    for round in range(1, 5):
        for tab in tabs:
            tab.goto(blank)
        tabs[0].evaluate(
            "localStorage.clear(); document.cookie.split('; ').forEach("
            "(each) => document.cookie = each.split('=')[0] + '=; path=/; max-age=0')"
        )
        moment = time.time() * 1000 + 300
        for tab in tabs:
            tab.evaluate(f"setTimeout(begin, 0, '{collector.url}/beknown.js', {moment}); 0")
        for tab in tabs:
            tab.wait_for_function("window.beknown")
            tab.evaluate("beknown.flush()")
        assert tabs[0].evaluate(ID) == tabs[1].evaluate(ID)
        views = collector.wait_for("$pageview", 2 * round)[-2:]
        assert {view["distinct_id"] for view in views} == {tabs[0].evaluate(ID)}


def test_a_log_in_and_a_log_out_in_one_tab_are_followed_by_the_other_before_its_next_event(
    collector: Collector, site: Site, any_browser: AnyBrowser
) -> None:
    home = site.add("/", tag(collector))
    first, second = any_browser.page(), any_browser.page()
    for page in (first, second):
        page.goto(home)
        page.evaluate("beknown.ready.then(beknown.flush)")
    visitor = first.evaluate(ID)
    assert second.evaluate(ID) == visitor
    first.evaluate("beknown.identify('ada')")
    first.evaluate("beknown.flush()")
    second.evaluate("beknown.capture('as_ada')")
    second.evaluate("beknown.flush()")
    second.evaluate("beknown.reset()")
    second.evaluate("beknown.flush()")
    first.evaluate("beknown.capture('as_nobody')")
    first.evaluate("beknown.flush()")
    (as_ada,), (as_nobody,) = collector.wait_for("as_ada"), collector.wait_for("as_nobody")
    assert as_ada["distinct_id"] == "ada"
    assert as_nobody["distinct_id"] == first.evaluate(ID) == second.evaluate(ID) not in ("ada", visitor)
    assert as_ada["properties"]["$device_id"] == as_nobody["properties"]["$device_id"] == visitor


def test_tabs_share_a_session_and_windows_are_told_apart_also_one_that_a_page_opened(
    collector: Collector, site: Site, any_browser: AnyBrowser
) -> None:
    home = site.add("/", tag(collector))
    first, second = any_browser.page(), any_browser.page()
    for page in (first, second):
        page.goto(home)
        page.evaluate("beknown.ready.then(beknown.flush)")
    # A window that a page opens inherits what the page's sessionStorage holds.
    script = "addEventListener('load', () => beknown.capture('opened'))"
    site.add("/opened", tag(collector, pageviews="off"), script=script)
    first.evaluate("window.open('/opened'); 0")
    (opened,) = collector.wait_for("opened")
    first.reload()
    first.evaluate("beknown.ready.then(beknown.flush)")
    views = collector.wait_for("$pageview", 3)
    assert len({event["properties"]["$session_id"] for event in [*views, opened]}) == 1
    windows = [view["properties"]["$window_id"] for view in views]
    assert windows[0] == windows[2] != windows[1]
    assert opened["properties"]["$window_id"] not in windows


def test_a_window_that_a_page_opens_leaves_the_pages_calls_to_it(
    collector: Collector, line: Line, site: Site, any_browser: AnyBrowser
) -> None:
    site.add("/opened", tag(line), script="addEventListener('load', () => beknown.capture('opened'))")
    page = any_browser.page()
    page.goto(site.add("/", tag(line, first="page")))
    page.evaluate("beknown.ready.then(beknown.flush)")
    line.bodies.clear()
    line.hold("/e/")
    page.evaluate("beknown.capture('clicked'); window.open('/opened'); 0")
    collector.wait_for("opened")
    line.release()
    page.evaluate("beknown.flush()")
    (clicked,) = collector.wait_for("clicked")
    assert Counter(line.uuids())[clicked["uuid"]] == 1


def test_a_duplicated_tab_is_a_tab_of_its_own_and_so_is_one_after_a_crash(
    collector: Collector, site: Site, any_browser: AnyBrowser
) -> None:
    """What a browser copies of sessionStorage when a tab is duplicated, and keeps over a crash. No driver does it."""
    home = site.add("/", tag(collector))
    first, second = any_browser.page(), any_browser.page()
    first.goto(home)
    first.evaluate("beknown.ready.then(beknown.flush)")
    copied = json.dumps(first.evaluate("Object.entries(sessionStorage)"))
    assert len(json.loads(copied)) == 1
    second.goto(site.add("/untagged", ""))
    second.evaluate(f"for (const [name, text] of {copied}) sessionStorage.setItem(name, text)")
    for page, path in ((second, "/"), (first, "/b"), (second, "/b"), (first, "/")):
        page.goto(site.add(path, tag(collector)))
        page.evaluate("beknown.ready.then(beknown.flush)")
    views = collector.wait_for("$pageview", 5)
    assert len({view["properties"]["$session_id"] for view in views}) == 1
    windows = [view["properties"]["$window_id"] for view in views]
    assert [windows.index(window) for window in windows] == [0, 1, 0, 1, 0]
    numbers = [(event["properties"]["$window_id"], event["properties"]["$sequence"]) for event in collector.events()]
    assert len(set(numbers)) == len(numbers)


def test_two_tabs_share_one_journal_and_send_nothing_twice(
    collector: Collector, line: Line, site: Site, any_browser: AnyBrowser
) -> None:
    home = site.add("/", tag(line))
    first, second = any_browser.page(), any_browser.page()
    for page in (first, second):
        page.goto(home)
        page.evaluate("beknown.ready.then(beknown.flush)")
    line.bodies.clear()
    for number in range(12):
        for page in (first, second):
            page.evaluate(f"beknown.capture('step', {{number: {number}}})")
    for page in (first, second):
        page.evaluate("beknown.flush()")
    collector.wait_for("step", 24)
    sent = Counter(line.uuids())
    assert len(sent) == 24
    assert set(sent.values()) == {1}
    until(lambda: first.evaluate("Object.keys(localStorage).filter((name) => name.includes('~')).length") == 0, "order")


def test_a_frame_of_the_same_origin_is_a_tab_of_its_own_and_leaves_the_pages_to_the_page(
    collector: Collector, line: Line, site: Site, any_browser: AnyBrowser
) -> None:
    tags = tag(line)
    site.add("/frame", tags)
    page = any_browser.page()
    page.goto(site.add("/", tags))
    page.evaluate("beknown.ready.then(beknown.flush)")
    page.evaluate("const frame = document.createElement('iframe'); frame.src = '/frame'; document.body.append(frame)")
    page.wait_for_function("frames[0].beknown")
    page.evaluate("frames[0].beknown.ready.then(frames[0].beknown.flush)")
    page.evaluate("beknown.capture('in_page'); beknown.flush()")
    page.evaluate("frames[0].beknown.capture('in_frame'); frames[0].beknown.flush()")
    assert page.evaluate(ID) == page.evaluate("frames[0]." + ID)
    page.goto(site.add("/next", tags))
    page.evaluate("beknown.ready.then(beknown.flush)")
    views = {view["properties"]["$pathname"]: view for view in collector.wait_for("$pageview", 3)}
    (in_page,), (in_frame,) = collector.wait_for("in_page"), collector.wait_for("in_frame")
    window = {path: view["properties"]["$window_id"] for path, view in views.items()}
    assert window["/"] == window["/next"] == in_page["properties"]["$window_id"]
    assert window["/frame"] == in_frame["properties"]["$window_id"] != window["/"]
    assert {event["distinct_id"] for event in collector.events()} == {views["/"]["distinct_id"]}
    numbers = [(event["properties"]["$window_id"], event["properties"]["$sequence"]) for event in collector.events()]
    assert len(set(numbers)) == len(numbers)
    sent = Counter(line.uuids())
    leaves = {event["uuid"] for event in collector.events("$pageleave")}  # may go by the farewell and the next page
    assert {count for id, count in sent.items() if id not in leaves} == {1}
