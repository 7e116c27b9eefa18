"""What the tag's attributes and the page's own functions do in a real browser."""

from __future__ import annotations

import json

import pytest
from beknown_server.snippet import INLINE

from .conftest import KEY, AnyBrowser, Collector, Line, Site, tag, until
from .line import DROPPED
from .test_consent import kept, opened

NAME = f"bk_{KEY}"


@pytest.mark.parametrize("first", ["server", "page"])
def test_the_pages_functions_edit_drop_and_hear_every_event(
    collector: Collector, site: Site, any_browser: AnyBrowser, first: str
) -> None:
    script = """
      window.told = [];
      for (const what of ["capture", "identify", "reset", "session", "error"])
        beknown.on(what, (detail) => told.push([what, detail.event || detail]));
      beknown.before_send((event) => {
        if (event.event == "secret") return null;
        if (event.event == "broken") throw Error("oops");
        event.properties.title = "edited";
        return event;
      });
    """
    page = any_browser.page()
    page.goto(site.add("/", INLINE + f"<script>{script}</script>" + tag(collector, first=first)))
    page.wait_for_function("window.beknown.consent")
    page.evaluate(
        "beknown.capture('secret'); beknown.capture('broken'); beknown.identify('ada'); beknown.capture('fine')"
    )
    page.evaluate("beknown.reset(); beknown.capture(); beknown.flush()")
    page.wait_for_function("told.some(([what]) => what == 'error')")
    page.evaluate("beknown.flush()")
    collector.wait_for("fine")
    events = collector.events()
    assert [event["event"] for event in events] == ["$pageview", "$identify", "fine"]
    assert {event["properties"]["title"] for event in events} == {"edited"}
    told = page.evaluate("told")
    assert [detail for what, detail in told if what == "capture"] == ["$pageview", "$identify", "fine"]
    assert [detail for what, detail in told if what == "identify"] == ["ada"]
    assert [detail for what, detail in told if what == "reset"] == [page.evaluate("beknown.get_distinct_id()")]
    assert "session" in [what for what, _ in told]
    until(lambda: any('"broken" was dropped' in line for line in any_browser.listen()), str(any_browser.said))


def test_the_pages_functions_cannot_make_an_event_somebody_elses(
    collector: Collector, site: Site, any_browser: AnyBrowser
) -> None:
    page = any_browser.page()
    page.goto(site.add("/", tag(collector)))
    page.evaluate(
        """beknown.before_send((event) => {
             const { event: name, properties } = event;
             event.uuid = "mine";
             if (name == "moved") event.distinct_id = "bob";
             if (name == "lent") properties.$device_id = "bob's";
             if (name == "joined") properties.$anon_distinct_id = "bob";
             if (name == "nameless") event.event = 5;
             if (name == "bare") delete event.properties;
             if (name == "fine") delete properties.$device_id;
             return event;
           });
           for (const name of ["moved", "lent", "joined", "nameless", "bare", "fine"]) beknown.capture(name);
           beknown.flush()"""
    )
    collector.wait_for("fine")
    events = [event for event in collector.events() if event["event"] != "$pageview"]
    assert [event["event"] for event in events] == ["bare", "fine"]
    assert {event["distinct_id"] for event in events} == {page.evaluate("beknown.get_distinct_id()")}
    assert all(len(event["uuid"]) == 36 for event in events)
    until(lambda: sum("was dropped" in line for line in any_browser.listen()) == 4, str(any_browser.said))


def test_the_pages_functions_work_where_storage_is_full(
    collector: Collector, site: Site, any_browser: AnyBrowser
) -> None:
    fill = """
      for (let size = 1 << 22; size >= 1; size >>= 1)
        try { for (let n = 0; ; n++) localStorage.setItem("fill" + size + n, "x".repeat(size)) } catch {}
    """
    edit = "beknown.before_send((event) => ({...event, properties: {...event.properties, edited: true}}))"
    url = site.add("/", f"<script>{fill}</script>{INLINE}<script>{edit}</script>" + tag(collector))
    page = any_browser.page()
    for visit in ("first", "second"):
        page.goto(url)
        page.wait_for_function("window.beknown.consent")
        page.evaluate(f"beknown.capture('{visit}', {{text: 'y'.repeat(500)}}); beknown.flush()")
        collector.wait_for(visit)
    page.evaluate("beknown.flush()")
    events = [event for event in collector.events() if event["event"] != "$pageleave"]
    assert [event["event"] for event in events] == ["$pageview", "first", "$pageview", "second"]
    assert {event["properties"].get("edited") for event in events} == {True}
    assert len({event["distinct_id"] for event in events}) == 1


def test_elements_and_links_are_captured_without_code(
    collector: Collector, site: Site, any_browser: AnyBrowser
) -> None:
    html = (
        "<script>document.addEventListener('DOMContentLoaded', () => { document.body.innerHTML = `"
        "<button data-beknown-event=signup_clicked data-beknown-prop-plan-name=pro><b>Sign up</b></button>"
        "<form data-beknown-event=joined action=javascript:void(0)><input name=a><button id=send>Go</button></form>"
        "<a id=out style=font-size:1px href=https://elsewhere.invalid/x>${'x'.repeat(199)}\\u{1f600}!</a>"
        "<a id=file href=/price.pdf>File</a><a id=in href=#x>In</a>`;"
        "document.addEventListener('click', (event) => event.target.closest('a') && event.preventDefault()) })</script>"
    )
    page = opened(any_browser, site.add("/", html + tag(collector, links="outbound,downloads")))
    page.evaluate("beknown.ready")
    for what in ("b", "input", "#send", "#out", "#file", "#in"):
        page.click(what)
    page.evaluate("beknown.flush()")
    collector.wait_for("file_downloaded")
    events = {event["event"]: event["properties"] for event in collector.events()}
    assert sorted(events) == ["$pageview", "file_downloaded", "joined", "outbound_link_clicked", "signup_clicked"]
    assert events["signup_clicked"]["plan_name"] == "pro"
    assert events["outbound_link_clicked"]["host"] == "elsewhere.invalid"
    assert events["outbound_link_clicked"]["text"] == "x" * 199 + "\U0001f600"
    assert events["file_downloaded"]["file"] == "price.pdf"


def test_values_arrive_as_something_sensible_or_are_named_in_the_console(
    collector: Collector, site: Site, any_browser: AnyBrowser
) -> None:
    page = opened(any_browser, site.add("/", tag(collector)))
    page.evaluate(
        """beknown.capture("values", {date: new Date(0), map: new Map([["a", 1]]), set: new Set([1, 2]),
           error: TypeError("no"), nan: NaN, infinite: Infinity, missing: undefined,
           url: new URL("https://a.example/"), deep: {a: [{b: new Set()}]},
           point: new (class { x = 1 })(), empty: {}, bare: Object.create(null), hidden: new (class { #x = 1 })(),
           element: document.body, call: () => 1, promise: Promise.resolve(), big: 1n, deeper: {big: [1n]},
           bytes: new ArrayBuffer(8), ints: new Uint8Array(2), iterator: [1].values(),
           boxed: new String("x"), text: "x".repeat(70000)})"""
    )
    page.evaluate("beknown.flush()")
    (event,) = collector.wait_for("values")
    expected = {
        "date": "1970-01-01T00:00:00.000Z",
        "map": {"a": 1},
        "set": [1, 2],
        "error": "TypeError: no",
        "nan": None,
        "infinite": None,
        "url": "https://a.example/",
        "deep": {"a": [{"b": []}]},
        "point": {"x": 1},
        "empty": {},
        "bare": {},
        "boxed": "x",
    }
    properties = event["properties"]
    assert {name: properties[name] for name in expected} == expected
    refused = ("element", "call", "promise", "hidden", "big", "deeper", "bytes", "ints", "iterator")
    assert not {"missing", *refused} & set(properties)
    assert len(properties["text"]) == 65535
    for named in (f"properties.{name}" for name in refused):
        until(lambda named=named: any(named in line for line in any_browser.listen()), f"{named} in {any_browser.said}")


@pytest.mark.parametrize("where", ["cookie", "localStorage"])
def test_a_visitor_whom_posthog_js_knew_keeps_their_ids(
    collector: Collector, site: Site, any_browser: AnyBrowser, where: str
) -> None:
    left = {"distinct_id": "ada", "$device_id": "0199e1a0-0000-7000-8000-000000000001", "$user_state": "identified"}
    page = any_browser.page()
    page.goto(site.add("/before", "<!-- no tag yet -->"))
    page.evaluate(
        "(([where, name, text]) => { where == 'cookie' ? document.cookie = name + '=' + encodeURIComponent(text)"
        f" : localStorage.setItem(name, text) }})({json.dumps([where, f'ph_{KEY}_posthog', json.dumps(left)])})"
    )
    page.goto(site.add("/", tag(collector)))
    page.wait_for_function("window.beknown")
    page.evaluate("beknown.flush()")
    assert page.evaluate("beknown.get_distinct_id()") == "ada"
    (view,) = collector.wait_for("$pageview")
    assert (view["distinct_id"], view["properties"]["$device_id"]) == ("ada", left["$device_id"])


@pytest.mark.parametrize(
    ("mode", "stores", "lasts"),
    [
        ("cookie+localStorage", {"cookie", "local", "session"}, True),
        ("localStorage", {"local", "session"}, True),
        ("cookie", {"cookie"}, True),
        ("sessionStorage", {"session"}, True),
        ("memory", set(), False),
        ("localStorage+cookie", {"cookie", "local", "session"}, True),
        ("cookie+localstorage", {"cookie", "local", "session"}, True),
        ("sessionstorage", {"session"}, True),
        ("indexedDB", {"cookie", "local", "session"}, True),  # there is none: the default
    ],
)
def test_the_visitor_is_kept_where_the_tag_says(
    collector: Collector, site: Site, any_browser: AnyBrowser, mode: str, stores: set[str], lasts: bool
) -> None:
    # Before Python is up in the page nobody else may keep the visitor: the server's own copy is not the subject.
    page = opened(any_browser, site.add("/", tag(collector, persistence=mode, first="page")))
    page.evaluate("beknown.identify('ada'); beknown.flush()")
    page.wait_for_function("beknown.get_distinct_id() == 'ada'")
    found = {
        "cookie": any(each["name"] == NAME for each in any_browser.cookies()),
        "local": page.evaluate("Object.keys(localStorage).some((name) => name.startsWith('bk_'))"),
        "session": page.evaluate("Object.keys(sessionStorage).some((name) => name.startsWith('bk_'))"),
    }
    assert {name for name, there in found.items() if there} == stores
    page.reload()
    page.wait_for_function("window.beknown")
    assert (page.evaluate("beknown.get_distinct_id()") == "ada") is lasts


@pytest.mark.parametrize("mode", ["cookie+localStorage", "sessionStorage"])
def test_a_tab_goes_on_over_its_pages_and_their_calls_too_wherever_it_is_kept(
    collector: Collector, line: Line, site: Site, any_browser: AnyBrowser, mode: str
) -> None:
    tags = tag(line, persistence=mode, first="page")
    site.add("/b", tags)
    page = opened(any_browser, site.add("/a", tags))
    page.evaluate("beknown.ready.then(beknown.flush)")
    line.faults["/e/"] = line.faults["/run"] = DROPPED  # neither these nor the farewell
    page.evaluate("beknown.capture('clicked')")
    page.goto(site.url + "/b")
    line.faults.clear()
    page.evaluate("beknown.ready.then(beknown.flush)")
    until(lambda: len(collector.events()) == 4, "what both pages said")
    events = collector.events()
    assert [event["event"] for event in events] == ["$pageview", "clicked", "$pageleave", "$pageview"]
    assert [event["properties"]["$sequence"] for event in events] == [1, 2, 3, 4]
    assert len({event["properties"]["$window_id"] for event in events}) == 1
    assert any_browser.listen() == []


def test_requests_to_the_hosts_that_the_tag_names_say_whose_they_are(
    collector: Collector, site: Site, any_browser: AnyBrowser
) -> None:
    host = site.url.rpartition("/")[2]
    page = opened(any_browser, site.add("/", tag(collector, tracing_hosts=host)))
    page.evaluate("beknown.ready.then(beknown.flush)")
    page.wait_for_function("fetch.toString().indexOf('native') < 0")
    page.evaluate("fetch('/api/one').catch(() => 0)")
    page.evaluate(
        "new Promise((done) => { const r = new XMLHttpRequest(); r.onloadend = done;"
        "r.open('GET', '/api/two'); r.send() })"
    )
    visitor = page.evaluate("beknown.get_distinct_id()")
    page.evaluate("beknown.identify('ada'); beknown.flush()")
    page.wait_for_function("beknown.get_distinct_id() == 'ada'")
    page.evaluate("fetch('/api/three').catch(() => 0)")
    found = [told for path, told in zip(site.asked, site.told, strict=True) if "/api/" in path]
    assert [each.get("x-beknown-distinct-id") for each in found] == [visitor, visitor, "ada"]
    assert [each.get("x-beknown-identified") for each in found] == ["false", "false", "true"]
    assert all(each.get("x-beknown-session-id") for each in found)


def test_requests_to_any_other_host_say_nothing(collector: Collector, site: Site, any_browser: AnyBrowser) -> None:
    host = site.url.rpartition("/")[2]
    for path in ("/api/one", "/api/two"):
        site.pages[path] = ("for all", {"Access-Control-Allow-Origin": "*"})
    page = opened(any_browser, site.add("/", tag(collector, tracing_hosts=host)))
    page.evaluate("beknown.ready.then(beknown.flush)")
    page.wait_for_function("fetch.toString().indexOf('native') < 0")
    # With a header of ours these would be asked about first (OPTIONS), and never arrive.
    page.evaluate(f"fetch('{site.elsewhere}/api/one').catch(() => 0)")
    page.evaluate(
        "new Promise((done) => { const r = new XMLHttpRequest(); r.onloadend = done;"
        f"r.open('GET', '{site.elsewhere}/api/two'); r.send() }})"
    )
    found = {path: told for path, told in zip(site.asked, site.told, strict=True) if "/api/" in path}
    assert set(found) == {"/api/one", "/api/two"}
    assert not [name for told in found.values() for name in told if name.startswith("x-beknown")]


def test_nothing_is_kept_without_a_name_of_ours(collector: Collector, site: Site, any_browser: AnyBrowser) -> None:
    page = opened(any_browser, site.add("/", tag(collector)))
    page.evaluate("beknown.capture('x'); beknown.flush()")
    collector.wait_for("x")
    assert all(name.startswith(NAME) for name in kept(page, any_browser))
