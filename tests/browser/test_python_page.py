"""The library in every setting that PyScript has: MicroPython and Pyodide, each on the main thread and in a worker."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from beknown.signature import sign
from beknown_server import bundle
from beknown_server.snippet import INLINE
from beknown_server.store import open_store
from beknown_server.store.projects import REMEMBERED_S
from playwright.sync_api import Page

from ..client.test_conformance import CASES
from .conftest import KEY, SECRET, Browser, Collector, Site, own_browser, tag
from .pyscript import ISOLATED, SETTINGS, SLOW, opened, script

SUITE = {
    "suite.py": bundle.ROOT / "tests/runtimes/suite.py",
    "test_conformance.py": bundle.ROOT / "tests/client/test_conformance.py",
}

# What a page's author would write. Everything about JavaScript values is in it, since only here are there any.
VISIT = """
import asyncio
import json
import beknown
from pyscript import window

beknown.init("{key}", {init})
anonymous = beknown.get_distinct_id()
proxies = {{"object": window.JSON.parse('{{"a": [1, 2.5, "x"]}}'), "function": window.Object}}
values = {{"big": 2**40, "nan": float("nan"), "set": {{1}}}}
hidden = {{"f": proxies["function"], "error": window.Error.new("x"), "empty": window.JSON.parse("{{}}")}}
values["date"] = window.Date.new(0)
beknown.capture("values", values | {{"proxies": proxies["object"]}} | hidden)
beknown.identify("ada", {{"plan": "pro"}})
beknown.capture("after")

async def stepped(step):
    with beknown.properties(step=step):
        await asyncio.sleep(0)
        beknown.capture("stepped", {{"by": step}})
        await asyncio.sleep(0)

for task in [asyncio.create_task(stepped("a")), asyncio.create_task(stepped("b"))]:
    await task
beknown.capture("stepped", {{"by": None}})
await beknown.flush()
told = json.dumps([anonymous, beknown.get_distinct_id(), beknown.get_session_id()])
window.document.body.setAttribute("data-told", told)
"""
CONFORMANCE = """
import json
import suite
window.document.body.setAttribute("data-suite", suite.run('["test_conformance"]'))
"""


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_visit(collector: Collector, site: Site, browser: Browser, setting: str) -> None:
    files = {}
    for name, path in SUITE.items():
        site.pages["/" + name] = (path.read_text(), {})
        files["/" + name] = "./" + name
    site.pages["/conformance_cases.py"] = (
        f"import json\nCASES = json.loads({json.dumps(CASES, ensure_ascii=False)!r})\n",
        {},
    )
    files["/conformance_cases.py"] = "./conformance_cases.py"
    code = VISIT.format(key=KEY, init=f'api="{collector.url}", bots="count"') + CONFORMANCE
    url = site.add("/", script(collector, setting, code, files), headers=ISOLATED)
    page = opened(browser, url, "data-suite")

    anonymous, user, session = json.loads(page.get_attribute("body", "data-told") or "")
    assert user == "ada"
    (values,) = collector.wait_for("values")
    (claim,) = collector.wait_for("$identify")
    (after,) = collector.wait_for("after")
    steps = [event["properties"] for event in collector.wait_for("stepped", 3)]
    assert [each["by"] for each in steps] == ["a", "b", None]
    assert [each.get("step") for each in steps] == ["a", "b", None], "each task has its own blocks"
    found = values["properties"]
    assert [found["big"], found["nan"], found["set"]] == [2**40, None, [1]]
    assert found["proxies"] == {"a": [1, 2.5, "x"]}
    assert [found["date"], found["empty"]] == ["1970-01-01T00:00:00.000Z", {}]
    assert not {"f", "error"} & set(found)
    assert values["distinct_id"] == claim["properties"]["$anon_distinct_id"] == anonymous
    assert after["properties"]["$session_id"] == session
    assert after["properties"]["$current_url"] == url
    assert page.evaluate("Object.keys(localStorage).filter((name) => name.includes('~'))") == []
    cookie = page.evaluate("document.cookie")
    assert f"bk_{KEY}=1." in cookie
    assert cookie.endswith(".ada")
    (function, error) = browser.said
    assert "properties.f is a " in function
    assert "properties.error is a JavaScript Error" in error

    outcomes = json.loads(page.get_attribute("body", "data-suite") or "")["test_conformance"]
    assert len(outcomes) > len(CASES)
    assert {name: text for name, text in outcomes.items() if text} == {}


STORED = """
import beknown
from pyscript import window

beknown.init("{key}", api="{api}", bots="count")
beknown.register({{"plan": "pro"}})
beknown.identify("ada")
beknown.capture("seen")
await beknown.flush()
window.document.body.setAttribute("data-told", "yes")
"""
FULL = "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }"
OWN = """const kept = {}; Object.defineProperty(window, "localStorage", {value: {
  getItem: (name) => kept[name] ?? null,
  setItem: (name, text) => (kept[name] = text),
  removeItem: (name) => delete kept[name],
}})"""
FRAME = "<body><iframe {how} src='{url}'></iframe></body>"
PYSCRIPTS_OWN = ("IDBFactory", "'dispatchEvent'", "Event")  # it wants a database, and says so where there is none


@pytest.mark.parametrize(
    ("how", "setting"),
    [
        ("a browser's own setting", "mpy"),
        ("a browser's own setting", "py"),
        ("a sandboxed frame", "mpy"),  # PyScript's Pyodide does not start there, nor in the next
        ("a frame of another site", "mpy"),  # Chromium refuses it storage, and says that cookies are enabled
        ("storage of the page's own", "mpy"),  # a plain property, with no getter to ask
        ("storage that is full", "mpy"),
        ("storage that is full", "py"),
        ("storage that is full", "mpy worker"),
    ],
)
def test_storage_that_throws_never_shows_in_the_page(
    collector: Collector, site: Site, playwright, tmp_path: Path, setting: str, how: str
) -> None:
    blocking = "--blink-settings=cookieEnabled=false,localStorageEnabled=false" if "setting" in how else ""
    headers = ISOLATED if "worker" in setting else {}
    url = site.add("/", script(collector, setting, STORED.format(key=KEY, api=collector.url)), headers=headers)
    if "another" in how:
        url = url.replace("127.0.0.1", "localhost")
    if "frame" in how:
        url = site.add("/framing", FRAME.format(url=url, how="sandbox='allow-scripts'" if "sandbox" in how else ""))
    browser = own_browser(playwright, tmp_path / "profile", *filter(None, [blocking]))
    try:
        page = browser.page()
        if script_of_the_pages := FULL if "full" in how else OWN if "own" in how.split() else "":
            page.add_init_script(script_of_the_pages)
        page.goto(url)
        (seen,) = collector.wait_for("seen")
        assert (seen["distinct_id"], seen["properties"]["plan"]) == ("ada", "pro")
        page.frames[-1].wait_for_selector("body[data-told]")
        assert [text for text in browser.errors if not any(own in text for own in PYSCRIPTS_OWN)] == []
    finally:
        browser.close()


SHOP = """
def pay():
    raise ValueError("no account for ada@example.com")
"""
FAILING = """
import asyncio
import beknown
import js
from pyscript import document, ffi, when

handled = []
asyncio.get_event_loop().set_exception_handler(lambda loop, context: handled.append(context))
beknown.init("{key}", api="{api}", bots="count", exceptions=True)

@when("click", "#handler")
@beknown.captured("clicked")
def clicked(event):
    import shop  # lies where PyScript lays its own files
    shop.pay()

async def later():
    raise KeyError("ada@example.com")

@when("click", "#task")
def begun(event):
    asyncio.create_task(later())

def rung():
    raise IndexError("ada@example.com")

@when("click", "#timer")
def wound(event):
    js.setTimeout(ffi.create_proxy(rung), 1)

@when("click", "#handled")
def counted(event):
    beknown.capture("handled", {{"tasks": len(handled)}})

document.body.setAttribute("data-told", "yes")
"""


@pytest.mark.parametrize("setting", SETTINGS)
def test_uncaught_exceptions_are_events_without_their_values(
    collector: Collector, site: Site, browser: Browser, setting: str
) -> None:
    buttons = "".join(f"<button id='{name}'>{name}</button>" for name in ("handler", "task", "timer", "handled"))
    code = FAILING.format(key=KEY, api=collector.url)
    site.pages["/shop.py"] = (SHOP, {})
    tags = script(collector, setting, code, {"/shop.py": "./shop.py"})
    page = opened(browser, site.add("/", tags + buttons, headers=ISOLATED), "data-told")
    page.click("#handler")
    page.click("#task")
    page.click("#timer")
    failures = collector.wait_for("$exception", 3)
    page.click("#handled")
    assert collector.wait_for("handled")[0]["properties"]["tasks"] == 1, "the page's own handler is asked as before"
    browser.listen()
    browser.errors.clear()  # they are the page's own, and stay visible to it
    told = [event["properties"]["$exception_list"][0] for event in failures]
    assert sorted(each["type"] for each in told) == ["IndexError", "KeyError", "ValueError"]
    frames = [frame for each in told for frame in each["stacktrace"]["frames"]]
    assert {"clicked", "pay", "later", "rung"} <= {frame["function"] for frame in frames}
    assert not [frame for frame in frames if "beknown/" in frame["filename"] or "pyscript/" in frame["filename"]]
    assert "ada@example.com" not in json.dumps(failures)


HANDLERS = """
import beknown
from pyscript import document, when, window

beknown.init("{key}", api="{api}", bots="count")

@when("click", "#plain")
@beknown.captured("plain")
def plain(event):
    beknown.capture("ran", {{"by": event.target.id}})

@when("click", "#bare")
@beknown.captured("bare")
def bare():
    beknown.capture("ran", {{"by": "bare"}})

@when("click", "#awaited")
@beknown.captured("awaited")
async def awaited(event):
    beknown.capture("ran", {{"by": event.target.id}})

@when("click", "#later")
@beknown.captured("later")
async def later():
    beknown.capture("ran", {{"by": "later"}})

@when("click", "#kept")
@beknown.captured("kept")
def kept(event):
    beknown.capture("ran", {{"by": "kept"}})
    return window.Promise.resolve(1)

@when("click", "#broken")
@beknown.captured("broken")
def broken(event):
    beknown.capture("ran", {{"by": "broken"}})
    return window.Promise.reject(window.Error.new("x"))

document.body.setAttribute("data-told", "yes")
"""


@pytest.mark.parametrize("setting", SETTINGS)
def test_pyscripts_handlers_can_be_captured(collector: Collector, site: Site, browser: Browser, setting: str) -> None:
    names = ["plain", "bare", "awaited", "later", "kept", "broken"]
    buttons = "".join(f"<button id='{name}'>{name}</button>" for name in names)
    code = HANDLERS.format(key=KEY, api=collector.url)
    page = opened(browser, site.add("/", buttons + script(collector, setting, code), headers=ISOLATED), "data-told")
    for name in names:
        page.click("#" + name)
    assert {event["properties"]["by"] for event in collector.wait_for("ran", len(names))} == set(names)
    for name in names:
        (event,) = collector.wait_for(name)
        assert event["properties"]["duration_ms"] >= 0
        assert event["properties"].get("exception") == ("JsException" if name == "broken" else None)
    assert browser.listen() == []
    browser.errors.clear()  # from a worker nobody listens in time to what was rejected on the page


def test_of_two_workers_one_captures_what_a_handler_raised(collector: Collector, site: Site, browser: Browser) -> None:
    """The page hears of it, and both listen there."""
    first = FAILING.format(key=KEY, api=collector.url)
    second = f'''
import beknown
from pyscript import document, when
beknown.init("{KEY}", api="{collector.url}", bots="count", exceptions=True)
@when("click", "#end")
async def ended(event):
    await beknown.flush()
    beknown.capture("end")
document.body.setAttribute("data-second", "yes")
'''
    site.pages["/shop.py"] = (SHOP, {})
    tags = script(collector, "mpy worker", first, {"/shop.py": "./shop.py"}) + script(collector, "mpy worker", second)
    buttons = "".join(f"<button id='{name}'>{name}</button>" for name in ("handler", "task", "timer", "handled", "end"))
    page = opened(browser, site.add("/", tags + buttons, headers=ISOLATED), "data-told")
    page.wait_for_selector("body[data-second]", timeout=SLOW)
    for _ in range(5):
        page.click("#handler")
    collector.wait_for("$exception", 5)
    page.click("#end")
    collector.wait_for("end")
    assert len(collector.events("$exception")) == 5
    browser.listen()
    browser.errors.clear()


def test_a_project_that_demands_signatures_believes_what_python_says_with_one(
    collector: Collector, site: Site, browser: Browser
) -> None:
    with closing(open_store(f"sqlite:///{collector.folder / 'beknown.db'}")) as store:
        store.set_options(1, {"signed_identities": True})
    time.sleep(REMEMBERED_S)  # then the collector's process knows of it
    good = sign("ada  ", SECRET)  # as a database's CHAR column has it
    code = f"""
import beknown
from pyscript import document
beknown.init("{KEY}", api="{collector.url}", pageviews="off", bots="count")
beknown.identify("eve")
beknown.reset()
beknown.identify("ada  ", {{"plan": "pro"}}, signature="{good}")
beknown.alias("crm-7", signature="{good}")
beknown.alias("crm-8")
await beknown.flush()
document.body.setAttribute("data-told", "yes")
"""
    opened(browser, site.add("/", script(collector, "mpy", code)), "data-told")
    eve, ada = collector.wait_for("$identify", 2)
    assert [each["properties"]["$verified"] for each in (eve, ada)] == [False, True]
    found = collector.person("ada")
    assert sorted(found["distinct_ids"]) == sorted(["ada", ada["properties"]["$anon_distinct_id"], "crm-7"])
    assert found["is_identified"]
    assert found["properties"]["plan"] == "pro"
    assert collector.person("eve")["distinct_ids"] == ["eve"]
    assert not collector.person("eve")["is_identified"]
    assert not any("$signature" in event["properties"] for event in collector.events())


def test_a_wrong_key_is_said_in_the_console(collector: Collector, site: Site, browser: Browser) -> None:
    code = f"""
import beknown
from pyscript import document
beknown.init("bk_nobody", api="{collector.url}", bots="count")
beknown.capture("x")
await beknown.flush()
document.body.setAttribute("data-told", "yes")
"""
    opened(browser, site.add("/", script(collector, "mpy", code)), "data-told")
    (said,) = [text for text in browser.listen() if "key" in text]
    assert "refused this site's key (401)" in said


def test_a_worker_that_cannot_see_the_page_says_so_and_counts(
    collector: Collector, site: Site, browser: Browser
) -> None:
    """Without the isolation headers there is no SharedArrayBuffer, and PyScript lends no window."""
    code = f"""
import beknown
beknown.init("{KEY}", api="{collector.url}", bots="count")
beknown.capture("from_worker")
await beknown.flush()
"""
    page = browser.page()
    page.goto(site.add("/", script(collector, "mpy worker", code)))
    (event,) = collector.wait_for("from_worker")
    assert event["distinct_id"]
    assert any("neither cookies nor localStorage" in text for text in browser.listen())


@pytest.mark.parametrize("setting", ["mpy", "mpy worker"])
def test_a_visitor_goes_from_the_tag_to_python_and_back(
    collector: Collector, site: Site, browser: Browser, setting: str
) -> None:
    code = f"""
import beknown
from pyscript import document
beknown.init("{KEY}", api="{collector.url}", bots="count")
beknown.capture("in_python")
document.body.setAttribute("data-told", beknown.get_distinct_id())
"""
    tagged = site.add(
        "/tag",
        INLINE + tag(collector),
        script="beknown.register({plan: 'pro'}); beknown.capture('in_tag')",
        headers=ISOLATED,
    )
    python = site.add("/python", script(collector, setting, code), headers=ISOLATED)
    page = browser.page()
    page.goto(tagged)
    page.goto(python)  # at once: what the tag has not delivered yet, Python does
    page.wait_for_selector("body[data-told]", timeout=SLOW)
    page.goto(tagged)
    events = [*collector.wait_for("in_tag", 2), *collector.wait_for("in_python"), *collector.wait_for("$pageview", 3)]
    assert len({event["distinct_id"] for event in events}) == 1
    assert len({event["properties"]["$session_id"] for event in events}) == 1
    assert len({event["properties"]["$window_id"] for event in events}) == 1
    assert collector.events("in_python")[0]["properties"]["plan"] == "pro"
    assert len({event["properties"]["$sequence"] for event in collector.events()}) == len(collector.events())


@pytest.mark.parametrize("setting", ["mpy", "py"])
def test_calls_made_before_the_tag_has_loaded_wait_for_it(
    collector: Collector, site: Site, browser: Browser, setting: str
) -> None:
    code = f"""
import beknown
from pyscript import document
beknown.init("{KEY}")
beknown.capture("early", {{"n": 2**40, "big": 1234567890123456789}})
beknown.before_send(lambda event: dict(event, properties=dict(event["properties"], edited=True)))
document.body.setAttribute("data-told", "yes")
await beknown.flush()
beknown.identify(1234567890123456789)
await beknown.flush()
document.body.setAttribute("data-flushed", beknown.get_distinct_id())
"""
    page = browser.page()
    unloaded = tag(collector).replace("src=", "data-late=")
    page.goto(site.add("/", unloaded + script(collector, setting, code)))
    page.wait_for_selector("body[data-told]", timeout=SLOW)
    assert page.evaluate("window.beknown?.capture('guarded')") is None, "the page's own scripts see no tag yet"
    page.wait_for_timeout(200)
    before = datetime.now(UTC)
    page.evaluate("document.querySelector('[data-late]').src = document.querySelector('[data-late]').dataset.late")
    page.wait_for_selector("body[data-flushed]", timeout=SLOW)
    (early,) = collector.wait_for("early")
    assert early["properties"]["n"] == 2**40
    assert early["properties"]["big"] == "1234567890123456789"
    (claim,) = collector.wait_for("$identify")
    assert early["distinct_id"] == claim["properties"]["$anon_distinct_id"]
    assert claim["distinct_id"] == page.get_attribute("body", "data-flushed") == "1234567890123456789"
    assert datetime.fromisoformat(early["timestamp"]) < before, "when it was made, not when it was handed over"
    assert [event["properties"].get("edited") for event in collector.events()] == [True] * 3, "the page view, too"
    assert browser.said == []


def test_an_event_larger_in_bytes_than_in_characters_is_delivered(
    collector: Collector, site: Site, browser: Browser
) -> None:
    """MicroPython's JSON is not escaped, and fetch takes 64 KiB of bytes where the request is to outlive the page."""
    code = f"""
import beknown
from pyscript import document
beknown.init("{KEY}", api="{collector.url}", bots="count")
beknown.capture("large", {{"text": "\\u65e5" * 25000}})
beknown.capture("next")
await beknown.flush()
document.body.setAttribute("data-told", "yes")
"""
    opened(browser, site.add("/", script(collector, "mpy", code)), "data-told", 20_000)
    (large,) = collector.wait_for("large")
    assert large["properties"]["text"] == "\u65e5" * 25000
    collector.wait_for("next")


HELD = """
import beknown
import gc
import js
import sys
from pyscript import document, ffi, window

beknown.init("{key}", {init})
if sys.implementation.name != "micropython":
    import tracemalloc
    tracemalloc.start()
count = js.Function.new("return (globalThis.proxy_js_ref || []).filter((each) => each !== undefined).length")

# The clock is ahead of itself, the worker's as the page's: the runaway guard lets ten events a second pass.
js.Function.new("globalThis.late = 0; const now = Date.now; Date.now = () => now() + late")()

def once(number):
    js.late += 100
    beknown.capture("x", {{"n": number}})

def collect():
    gc.collect()

def held():
    return gc.mem_alloc() if hasattr(gc, "mem_alloc") else tracemalloc.get_traced_memory()[0]

def proxies():
    return count()

for function in (once, collect, held, proxies):
    setattr(window, "python_" + function.__name__, ffi.create_proxy(function))
document.body.setAttribute("data-told", "yes")
"""
# Calls from JavaScript, as a page's events are: MicroPython collects garbage only between them.
MANY = """async ([from, to]) => {
  for (let number = from; number < to; number++) {
    const answer = python_once(number);
    if (answer) await answer; // a worker's
    if (number % 1000 == 0) await delivered();
  }
  await delivered();
}"""
COUNT = "async () => [await python_collect(), await python_held(), await python_proxies()].slice(1)"
DELIVERED = """<script>
window.delivered = async () => {
  const waits = (name) => name.includes("~");
  while (Object.keys(localStorage).some(waits)) await new Promise((done) => setTimeout(done, 50));
};
</script>"""
CAPTURES = 10_000
FEWER = 2_500
MOST_BYTES = {CAPTURES: 65536, FEWER: 32768}  # caches, an event on its way; a block of MicroPython's is 16 for each
MOST_PROXIES = 100


def held_after(page: Page, first: int, last: int, *, setting: str) -> list[int]:
    """Capture up to `last`; give bytes of Python and proxies; in a worker the least at three rests.

    What is held at one rest differs by up to 35 kB there (2,500 captures and 12,500 are alike): MicroPython keeps what
    the last batch left on its stack until the next is sent.
    """
    stops = [first, last - 100, last - 50, last] if "worker" in setting else [first, last]
    rests = [held_at_rest(page, start, end) for start, end in pairwise(stops)]
    return [min(of_each) for of_each in zip(*rests, strict=True)]


def held_at_rest(page: Page, first: int, last: int) -> list[int]:
    """Capture, let everything be delivered, collect both languages' garbage; give bytes of Python and proxies."""
    page.evaluate(MANY, [first, last])
    collector_of_javascript = page.context.new_cdp_session(page)
    for _ in range(3):  # what JavaScript lets go of, Python can collect after that, and the other way round
        page.wait_for_timeout(700)
        page.evaluate(COUNT)
        collector_of_javascript.send("HeapProfiler.collectGarbage")
    collector_of_javascript.detach()
    return page.evaluate(COUNT)


@pytest.mark.parametrize(
    ("setting", "has_tag", "captures"),
    [("mpy", False, CAPTURES), ("py", False, CAPTURES), ("mpy", True, FEWER), ("mpy worker", False, FEWER)],
)
def test_many_captures_leave_no_proxies_behind(
    collector: Collector, site: Site, browser: Browser, setting: str, has_tag: bool, captures: int
) -> None:
    """With the tag, what is held is the library's, which hands them on."""
    held = HELD.format(key=KEY, init="" if has_tag else f'api="{collector.url}", bots="count"')
    tags = DELIVERED + (tag(collector) if has_tag else "") + script(collector, setting, held)
    page = opened(browser, site.add("/", tags, headers=ISOLATED), "data-told")
    before = held_after(page, 0, 500, setting=setting)
    after = held_after(page, 500, 500 + captures, setting=setting)
    assert before[0] > 10_000, "it measures something"
    assert after[0] - before[0] < MOST_BYTES[captures]
    assert after[1] - before[1] < MOST_PROXIES
    with closing(sqlite3.connect(collector.folder / "beknown.db")) as store:
        assert store.execute("select count(*) from event").fetchone()[0] >= 500 + captures
    assert (before[1] > 0) == ("mpy" in setting), "MicroPython's table of proxies has another name"
