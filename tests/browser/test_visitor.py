"""The main job: a visitor is captured, identified and reset by Python in a real Chromium and a real Firefox."""

from __future__ import annotations

import pytest
from beknown_server.snippet import INLINE

from .conftest import AnyBrowser, Browser, Collector, SharedChromium, Site, another_browser, tag

ID = "beknown.get_distinct_id()"
DEVICE = "beknown.get_device_id()"


@pytest.fixture(params=["server", "page"])
def first(request: pytest.FixtureRequest) -> str:
    """Who takes the first calls: the server's Python, or the page's own as soon as it is up."""
    return str(request.param)


def test_a_first_visit_gets_an_id_that_reload_second_page_and_restart_keep(
    collector: Collector, site: Site, lasting_browser: AnyBrowser, first: str
) -> None:
    home = site.add("/", tag(collector, first=first))
    other = site.add("/other", tag(collector, first=first))
    page = lasting_browser.page()
    page.goto(home)
    page.wait_for_function("window.beknown && beknown.get_distinct_id()")
    visitor = page.evaluate(ID)
    assert page.evaluate(DEVICE) == visitor
    collector.wait_for("$pageview", 1)
    page.reload()
    page.evaluate("beknown.ready")
    assert page.evaluate(ID) == visitor
    page.goto(other)
    assert page.evaluate("beknown.ready.then(beknown.flush).then(beknown.get_distinct_id)") == visitor
    lasting_browser.close()
    lasting_browser.open()
    page = lasting_browser.page()
    page.goto(home)
    assert page.evaluate("beknown.ready.then(beknown.flush).then(beknown.get_distinct_id)") == visitor
    views = collector.wait_for("$pageview", 4)
    assert len(views) == 4
    assert {view["distinct_id"] for view in views} == {visitor}
    assert len({view["properties"]["$session_id"] for view in views}) == 1
    assert lasting_browser.said == []


def test_sign_up_makes_the_anonymous_visitor_a_person_with_their_whole_history(
    collector: Collector, site: Site, any_browser: AnyBrowser, first: str
) -> None:
    home = site.add("/", tag(collector, first=first))
    page = any_browser.page()
    page.goto(home)
    page.wait_for_function("window.beknown")
    anonymous = page.evaluate(ID)
    page.evaluate("beknown.capture('signup_clicked', {plan: 'pro'})")
    page.evaluate("beknown.identify('ada@example.com', {name: 'Ada'}, {source: 'ad'})")
    page.evaluate("beknown.capture('welcome_seen')")
    page.evaluate("beknown.flush()")
    collector.wait_for("welcome_seen")
    ada = collector.person("ada@example.com")
    assert sorted(ada["distinct_ids"]) == sorted([anonymous, "ada@example.com"])
    assert ada["is_identified"] is True
    assert ada["properties"]["name"] == "Ada"
    assert ada["properties"]["source"] == "ad"
    events = collector.events()
    assert [event["event"] for event in events] == ["$pageview", "signup_clicked", "$identify", "welcome_seen"]
    assert [event["distinct_id"] for event in events] == [anonymous] * 2 + ["ada@example.com"] * 2
    assert {event["person_id"] for event in events} == {ada["person_id"]}
    assert page.evaluate(ID) == "ada@example.com"
    assert page.evaluate(DEVICE) == anonymous


def test_log_out_starts_a_new_anonymous_visitor_on_the_same_device(
    collector: Collector, site: Site, any_browser: AnyBrowser, first: str
) -> None:
    page = any_browser.page()
    page.goto(site.add("/", tag(collector, first=first)))
    page.wait_for_function("window.beknown")
    device = page.evaluate(DEVICE)
    page.evaluate("beknown.identify('ada'); beknown.reset(); beknown.capture('browsed_on')")
    page.evaluate("beknown.flush()")
    (event,) = collector.wait_for("browsed_on")
    after = page.evaluate(ID)
    assert after not in ("ada", device)
    assert event["distinct_id"] == after
    assert event["properties"]["$device_id"] == device == page.evaluate(DEVICE)
    assert event["person_id"] != collector.person("ada")["person_id"]
    assert collector.person(after)["is_identified"] is False


def test_calls_queued_by_the_inline_stub_run_in_order(
    collector: Collector, site: Site, any_browser: AnyBrowser
) -> None:
    early = (
        "beknown.capture('early'); beknown.identify('ada'); beknown.people.set({plan: 'pro'}); beknown.capture('late')"
    )
    page = any_browser.page()
    page.goto(site.add("/", f"{INLINE}<script>{early}</script>" + tag(collector)))
    collector.wait_for("late")
    events = [event for event in collector.events() if event["event"] != "$pageview"]
    assert [event["event"] for event in events] == ["early", "$identify", "$set", "late"]
    assert [event["distinct_id"] == "ada" for event in events] == [False, True, True, True]


def test_page_views_follow_a_single_page_app(collector: Collector, site: Site, any_browser: AnyBrowser) -> None:
    page = any_browser.page()
    page.goto(site.add("/", tag(collector)))
    page.wait_for_function("window.beknown")
    page.evaluate("history.pushState({}, '', '/pricing')")
    page.evaluate("history.replaceState({}, '', '/pricing?tab=2#x')")
    page.evaluate("history.back()")
    page.wait_for_url(site.url + "/")
    page.evaluate("beknown.flush()")
    views = collector.wait_for("$pageview", 3)
    assert [view["properties"]["$pathname"] for view in views] == ["/", "/pricing", "/"]
    assert [view["properties"].get("navigation_type") for view in views] == [None, "pushState", "popstate"]


def test_a_second_browser_is_another_person(
    collector: Collector, site: Site, any_browser: AnyBrowser, chromium: SharedChromium
) -> None:
    home = site.add("/", tag(collector))
    any_browser.page().goto(home)
    with another_browser(chromium) as second:
        second.page().goto(home)
        views = collector.wait_for("$pageview", 2)
    assert len({view["person_id"] for view in views}) == 2


def test_a_call_keeps_the_time_and_place_it_was_made_at(
    collector: Collector, site: Site, any_browser: AnyBrowser
) -> None:
    page = any_browser.page()
    page.goto(site.add("/shop", tag(collector), title="The shop"))
    page.wait_for_function("window.beknown")
    before = page.evaluate("Date.now()")
    page.evaluate("beknown.capture('bought', {price: 12.5, items: ['a', 'b'], gift: true, note: null, café: 'é😀'})")
    page.evaluate("beknown.flush()")
    (event,) = collector.wait_for("bought")
    properties = event["properties"]
    assert properties["$current_url"] == site.url + "/shop"
    assert properties["title"] == "The shop"
    assert (properties["price"], properties["items"], properties["gift"], properties["note"]) == (
        12.5, ["a", "b"], True, None,
    )  # fmt: skip
    assert properties["café"] == "é😀"
    from datetime import datetime

    assert abs(datetime.fromisoformat(event["timestamp"]).timestamp() * 1000 - before) < 2000


@pytest.mark.parametrize("first", ["page", "server"])
def test_an_ordinary_visit_does_not_fetch_what_was_cut_from_the_runtime(
    collector: Collector, site: Site, browser: Browser, first: str
) -> None:
    page = browser.page()
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url.rpartition("/")[2]))
    home = site.add("/", tag(collector, first=first))
    page.goto(home)
    page.evaluate("beknown.ready")
    page.evaluate("beknown.capture('a', {n: 1.5, s: 'é', list: [1, {deep: true}]}); beknown.register({x: 1})")
    page.evaluate("beknown.identify('ada@example.com', {name: 'Ada'}); beknown.identify('null'); beknown.reset()")
    page.evaluate("beknown.group('company', 'acme'); beknown.capture('b'); history.pushState({}, '', '/next')")
    page.evaluate("beknown.flush()")
    collector.wait_for("b")
    page.goto(home)
    page.evaluate("beknown.ready.then(beknown.flush)")
    assert "micropython.wasm" in fetched
    assert "micropython.cold.wasm" not in fetched
