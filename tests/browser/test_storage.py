"""Storage that is blocked: nothing reaches the page, and the id lasts as long as it can."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import KEY, AnyBrowser, Browser, Collector, Site, own_browser, tag, until

# The faults are the subject here, so they are staged: what a browser does when a setting or a sandbox forbids storage.
NO_COOKIES = """
Object.defineProperty(Document.prototype, 'cookie', {get() { return '' }, set() {}});
"""
NO_LOCAL_STORAGE = """
Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('blocked', 'SecurityError') }});
"""
FULL_LOCAL_STORAGE = """
Storage.prototype.setItem = function () { throw new DOMException('full', 'QuotaExceededError') };
"""
COOKIES_THAT_THROW = """
Object.defineProperty(Document.prototype, 'cookie', {
  get() { throw new DOMException('sandboxed', 'SecurityError') },
  set() { throw new DOMException('sandboxed', 'SecurityError') },
});
"""
NO_WORKER = """
window.Worker = class { constructor() { throw new DOMException('blocked', 'SecurityError') } };
"""
NO_SESSION_STORAGE = """
Object.defineProperty(window, 'sessionStorage', {get() { throw new DOMException('blocked', 'SecurityError') }});
"""


@pytest.mark.parametrize("first", ["server", "page"])
@pytest.mark.parametrize(
    ("blocked", "id_lasts"),
    [
        ([NO_COOKIES], True),
        ([COOKIES_THAT_THROW], True),
        ([NO_LOCAL_STORAGE], True),
        ([FULL_LOCAL_STORAGE], True),
        ([NO_SESSION_STORAGE], True),
        # Nothing that a script stores is left; only what the server keeps, where it is asked before Python is up.
        ([NO_COOKIES, NO_LOCAL_STORAGE], False),
        ([COOKIES_THAT_THROW, NO_LOCAL_STORAGE, NO_SESSION_STORAGE], False),
    ],
    ids=["cookies", "throwing-cookies", "local", "full-local", "session", "cookies+local", "everything"],
)
def test_blocked_storage_never_shows_in_the_page(
    collector: Collector, site: Site, any_browser: AnyBrowser, blocked: list[str], id_lasts: bool, first: str
) -> None:
    home = site.add("/", tag(collector, first=first))
    page = any_browser.page()
    no_race = NO_WORKER if first == "server" and not id_lasts else ""  # the server keeps who made the calls it took
    page.add_init_script("".join(blocked) + no_race)
    page.goto(home)
    page.wait_for_function("window.beknown")
    visitor = page.evaluate("beknown.get_distinct_id()")
    assert len(visitor) == 36
    page.evaluate("beknown.capture('one'); beknown.identify('ada'); beknown.capture('two')")
    page.evaluate("beknown.flush()")
    assert page.evaluate("beknown.get_distinct_id()") == "ada"
    page.reload()
    page.wait_for_function("window.beknown")
    if first == "server":
        id_lasts = True
        page.wait_for_function("beknown.get_distinct_id() == 'ada'")
    assert (page.evaluate("beknown.get_distinct_id()") == "ada") is id_lasts
    page.evaluate("beknown.capture('three')")
    page.evaluate("beknown.flush()")
    collector.wait_for("three")
    events = {event["event"]: event["distinct_id"] for event in collector.events() if event["event"] != "$pageview"}
    assert events["one"] == visitor
    assert events["two"] == "ada"
    assert (events["three"] == "ada") is id_lasts
    assert [event["event"] for event in collector.events()].count("two") == 1


FILL = """for (let size = 1 << 22; size >= 1; size >>= 1)
  try { for (let n = 0; ; n++) localStorage.setItem("fill" + size + n, "x".repeat(size)) } catch {}"""


def test_where_no_cookie_is_kept_and_storage_is_filled_nobody_becomes_whom_it_still_holds(
    collector: Collector, site: Site, any_browser: AnyBrowser
) -> None:
    page = any_browser.page()
    page.add_init_script(NO_WORKER)
    page.goto(site.add("/", tag(collector, persistence="localStorage")))
    page.wait_for_function("window.beknown")
    visitor = page.evaluate("beknown.get_distinct_id()")
    page.evaluate("beknown.flush()")
    page.evaluate(FILL)
    page.evaluate("beknown.identify('ada'); beknown.capture('of ada'); beknown.flush()")
    page.evaluate("beknown.reset(); beknown.capture('of somebody'); beknown.flush()")
    page.evaluate("beknown.identify('bob'); beknown.flush()")
    of = {event["event"]: event["distinct_id"] for event in collector.events()}
    assert [of["of ada"], of["$identify"]] == ["ada", "bob"]
    assert of["of somebody"] not in (visitor, "ada")
    assert sorted(collector.person("bob")["distinct_ids"]) == sorted([of["of somebody"], "bob"])


def test_storage_that_is_filled_during_the_visit_loses_nothing_and_nobody(
    collector: Collector, site: Site, any_browser: AnyBrowser
) -> None:
    home = site.add("/", tag(collector))
    page = any_browser.page()
    page.goto(home)
    page.wait_for_function("window.beknown")
    page.evaluate("beknown.ready")
    visitor = page.evaluate("beknown.get_distinct_id()")
    page.evaluate("beknown.capture('before'); beknown.flush()")
    page.evaluate(FILL)
    page.evaluate("beknown.capture('full'); beknown.identify('ada'); beknown.capture('named'); location.reload()")
    collector.wait_for("named")  # by the farewell, which the page that comes at once may overtake
    page.goto(home)  # this one hears of it from the server
    page.wait_for_function("window.beknown?.get_distinct_id?.() == 'ada'")
    page.evaluate("beknown.capture('after'); beknown.flush()")
    collector.wait_for("after")
    events = [(event["event"], event["distinct_id"]) for event in collector.events() if event["event"][:5] != "$page"]
    assert sorted(events) == sorted(
        [("before", visitor), ("full", visitor), ("$identify", "ada"), ("named", "ada"), ("after", "ada")]
    )
    assert sorted(collector.person("ada")["distinct_ids"]) == sorted([visitor, "ada"])


def test_a_browser_whose_own_settings_block_all_storage_is_still_counted(
    collector: Collector, site: Site, playwright, tmp_path: Path
) -> None:
    browser = own_browser(
        playwright, tmp_path / "blocked", "--blink-settings=cookieEnabled=false,localStorageEnabled=false"
    )
    try:
        page = browser.page()
        page.goto(site.add("/", tag(collector)))
        page.wait_for_function("window.beknown")
        assert page.evaluate("[navigator.cookieEnabled, window.localStorage]") == [False, None]
        page.evaluate("beknown.capture('seen')")
        page.evaluate("beknown.flush()")
        collector.wait_for("seen")
        assert browser.errors == []
    finally:
        browser.close()


@pytest.mark.parametrize("first", ["server", "page"])
def test_a_visitor_whose_scripts_storage_was_deleted_is_found_by_the_servers_cookie(
    collector: Collector, site: Site, any_browser: AnyBrowser, first: str
) -> None:
    home = site.add("/", tag(collector, first=first))
    page = any_browser.page()
    page.goto(home)
    page.wait_for_function("window.beknown")
    page.evaluate("beknown.identify('ada'); beknown.capture('before')")
    page.evaluate("beknown.flush()")
    collector.wait_for("before")
    empty = site.add("/empty", "<!-- no tag here -->")
    page.goto(empty)
    kept = f"bk_{KEY}.kept"
    until(lambda: any(c["name"] == kept and ".ada" in c["value"] for c in any_browser.cookies()), "the server's copy")
    # What WebKit does after seven days: what scripts wrote is gone, what a server set stays.
    page.evaluate(f"localStorage.clear(); document.cookie = 'bk_{KEY}=; path=/; max-age=0'")
    page.goto(home)
    page.wait_for_function("window.beknown && beknown.get_distinct_id() == 'ada'")
    page.evaluate("beknown.capture('after')")
    page.evaluate("beknown.flush()")
    page.goto(empty)
    collector.wait_for("$pageleave", 2)
    *_, view, after, leave = collector.events()
    assert [event["event"] for event in (view, after, leave)] == ["$pageview", "after", "$pageleave"]
    assert {event["distinct_id"] for event in (view, after, leave)} == {"ada"}


def test_a_page_without_javascript_and_one_with_it_have_the_same_visitor(
    collector: Collector, site: Site, any_browser: AnyBrowser
) -> None:
    plain = site.add("/plain", f'<img alt="" src="{collector.url}/pixel.gif?key={KEY}&bots=count">')
    page = any_browser.page()
    page.goto(plain)
    page.goto(plain)
    views = collector.wait_for("$pageview", 2)
    page.goto(site.add("/", tag(collector)))
    page.wait_for_function("window.beknown")
    assert page.evaluate("beknown.get_distinct_id()") == views[0]["distinct_id"]
    views = collector.wait_for("$pageview", 3)
    assert len({view["distinct_id"] for view in views}) == 1
    assert len({view["properties"]["$session_id"] for view in views}) == 1


@pytest.mark.parametrize("older", ["", "example.test"], ids=["this host's", "the wider domain's"])
def test_an_older_cookie_of_another_domain_does_not_hide_the_tags_own(
    collector: Collector, site: Site, named_browser: AnyBrowser, older: str
) -> None:
    port = site.url.rpartition(":")[2]
    site.add("/before", f"<script>document.cookie = 'bk_{KEY}=older;path=/;domain={older}'</script>")
    site.add("/", tag(collector, cookie_domain="app.example.test", first="page"))
    page = named_browser.page()
    page.goto(f"http://www.app.example.test:{port}/before")
    page.goto(f"http://www.app.example.test:{port}/")
    page.wait_for_function("window.beknown")
    page.evaluate("beknown.identify('ada'); beknown.flush()")
    page.wait_for_function("beknown.get_distinct_id() == 'ada'")
    (cookie,) = [each for each in named_browser.cookies() if each["name"] == f"bk_{KEY}"]
    assert cookie["domain"] == ".app.example.test"
    assert cookie["value"].endswith(".ada")


def test_where_the_named_domain_is_not_the_pages_the_host_alone_has_the_cookie(
    collector: Collector, site: Site, browser: Browser
) -> None:
    page = browser.page()
    page.goto(site.add("/", tag(collector, cookie_domain="elsewhere.test", first="page")))
    page.wait_for_function("window.beknown")
    page.evaluate("beknown.identify('ada'); beknown.flush()")
    page.wait_for_function("beknown.get_distinct_id() == 'ada'")
    (cookie,) = [each for each in browser.cookies() if each["name"] == f"bk_{KEY}"]
    assert (cookie["domain"], cookie["value"][-4:]) == ("127.0.0.1", ".ada")
