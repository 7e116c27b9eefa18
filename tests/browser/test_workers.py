"""Python in PyScript's worker and the page's tag are one visitor, whatever the page's headers are."""

from __future__ import annotations

import json

import pytest
from beknown_server import bundle
from playwright.sync_api import Page

from .conftest import KEY, Browser, Collector, Site, tag
from .pyscript import ISOLATED, SLOW, script

# The worker cannot mark the page, which it may not see: what it knows, it tells the collector.
IN_WORKER = """
import beknown
beknown.init("{key}", api="{api}", bots="count", pageviews="off")
beknown.register({{"by": "python"}})
beknown.capture("in_worker", {{"n": 2**40}})
await beknown.ready()
anonymous = beknown.get_distinct_id()
beknown.identify("ada", {{"plan": "pro"}})
await beknown.flush()
who = [anonymous, beknown.get_distinct_id(), beknown.get_device_id(), beknown.get_session_id()]
beknown.capture("told", {{"who": who, "consent": beknown.consent()}})
await beknown.flush()
"""


def visited(browser: Browser, url: str) -> Page:
    page = browser.page()
    page.set_default_timeout(SLOW)
    page.goto(url)
    return page


@pytest.mark.parametrize("setting", ["mpy worker", "py worker"])
def test_without_shared_memory_the_bridge_makes_tag_and_worker_one_visitor(
    collector: Collector, site: Site, browser: Browser, setting: str
) -> None:
    bridge = f'<script src="{collector.url}/bridge.js"></script>'
    code = IN_WORKER.format(key=KEY, api=collector.url)
    page = visited(browser, site.add("/", tag(collector) + bridge + script(collector, setting, code)))
    assert page.evaluate("typeof SharedArrayBuffer") == "undefined", "the case in question"
    page.wait_for_function("window.beknown")
    page.evaluate("beknown.capture('in_page')")
    visitor, device = page.evaluate("[beknown.get_distinct_id(), beknown.get_device_id()]")
    (told,) = collector.wait_for("told")
    assert told["properties"]["consent"] == "granted"
    (mine,) = collector.wait_for("in_page")
    (theirs,) = collector.wait_for("in_worker")
    (claim,) = collector.wait_for("$identify")
    session = mine["properties"]["$session_id"]
    assert told["properties"]["who"] == [visitor, "ada", device, session]
    assert theirs["distinct_id"] == claim["properties"]["$anon_distinct_id"] == visitor
    assert theirs["properties"]["n"] == 2**40
    assert {event["properties"]["$session_id"] for event in (mine, theirs, claim, told)} == {session}
    assert len({event["properties"]["$window_id"] for event in (mine, theirs, claim, told)}) == 1
    assert theirs["properties"]["$current_url"] == site.url + "/"
    assert page.evaluate("beknown.get_distinct_id()") == "ada"
    assert len(collector.events("$pageview")) == 1
    assert browser.listen() == []


# The page's answers come late, as they do while its thread is busy.
BUSY = """<script>
const post = MessagePort.prototype.postMessage;
MessagePort.prototype.postMessage = function (...given) {
  setTimeout(() => post.apply(this, given), `${given[0]}`.includes('"who"') ? 5000 : 0);
};
</script>"""


def test_a_page_whose_thread_is_busy_is_waited_for(collector: Collector, site: Site, browser: Browser) -> None:
    bridge = f'<script src="{collector.url}/bridge.js"></script>'
    code = IN_WORKER.format(key=KEY, api=collector.url)
    page = visited(browser, site.add("/", BUSY + tag(collector) + bridge + script(collector, "mpy worker", code)))
    (early,) = collector.wait_for("in_worker")
    page.wait_for_function("window.beknown")
    assert early["distinct_id"] == collector.wait_for("$pageview")[0]["distinct_id"]
    assert browser.listen() == []


def test_the_pages_own_scripts_may_call_before_the_tag_has_loaded(
    collector: Collector, site: Site, browser: Browser
) -> None:
    bridge = f'<script src="{collector.url}/bridge.js"></script>'
    code = IN_WORKER.format(key=KEY, api=collector.url)
    unloaded = tag(collector).replace("src=", "data-late=")
    page = visited(browser, site.add("/", unloaded + bridge + script(collector, "mpy worker", code)))
    page.wait_for_function("!!window.beknown")
    page.evaluate("window.beknown?.capture('guarded')")
    page.evaluate("document.querySelector('[data-late]').src = document.querySelector('[data-late]').dataset.late")
    collector.wait_for("told")
    events = [*collector.wait_for("guarded"), *collector.wait_for("in_worker")]
    assert len({event["distinct_id"] for event in events}) == 1
    assert browser.listen() == []


def test_a_bridge_without_a_tag_says_what_is_missing(collector: Collector, site: Site, browser: Browser) -> None:
    bridge = f'<script src="{collector.url}/bridge.js"></script>'
    code = IN_WORKER.format(key=KEY, api=collector.url)
    visited(browser, site.add("/", bridge + script(collector, "mpy worker", code)))
    (told,) = collector.wait_for("told")
    assert told["distinct_id"] == "ada"
    (said,) = browser.listen()
    assert "Put the tag and bridge.js on the page" in said


def test_a_bridge_leaves_the_pages_other_workers_alone(collector: Collector, site: Site, browser: Browser) -> None:
    other = """
    const source = new Blob(["onmessage = ({ data }) => postMessage([data, name])"]);
    const worker = new Worker(URL.createObjectURL(source), { name: "mine" });
    window.heard = new Promise((done) => (worker.onmessage = ({ data }) => done([data, worker instanceof Worker])));
    worker.postMessage("hello");
    """
    bridge = f'<script src="{collector.url}/bridge.js"></script>'
    page = visited(browser, site.add("/", bridge, script=other))
    assert page.evaluate("heard") == [["hello", "mine"], True]


SEEN = """
import beknown
from pyscript import document
beknown.init("{key}", api="{api}")
beknown.capture("in_worker")
await beknown.flush()
document.body.setAttribute("data-told", beknown.get_distinct_id())
"""


@pytest.mark.parametrize("way", ["headers", "service worker"])
def test_where_the_worker_sees_the_page_the_tag_is_found_there(
    collector: Collector, site: Site, browser: Browser, way: str
) -> None:
    setting = "mpy worker"
    if way == "service worker":  # coincident's, which PyScript's documentation names; the page's own origin serves it
        source = (bundle.STATIC / "node_modules/coincident/dist/sw.js").read_text()
        site.pages["/sw.js"] = (source, {"Content-Type": "text/javascript"})
        setting += ' service-worker="/sw.js"'
    tags = tag(collector) + script(collector, setting, SEEN.format(key=KEY, api=collector.url))
    page = visited(browser, site.add("/", tags, headers=ISOLATED if way == "headers" else {}))
    page.wait_for_selector("body[data-told]")
    (event,) = collector.wait_for("in_worker")
    assert event["distinct_id"] == page.get_attribute("body", "data-told")
    assert event["distinct_id"] == page.evaluate("beknown.get_distinct_id()")
    assert event["properties"]["$window_id"] == collector.wait_for("$pageview")[0]["properties"]["$window_id"]
    assert json.dumps(browser.listen()) == "[]"
