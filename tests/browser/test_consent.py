"""Consent in a real browser: what is stored, what leaves the page, and what comes of a choice."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from . import pyscript
from .conftest import CHROMIUM, FLAGS, KEY, AnyBrowser, Browser, Collector, Line, Site, tag, until

SIGNAL = "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', {get: () => true})"
SIGNALS = {
    "Global Privacy Control": SIGNAL,
    "Do Not Track": "Object.defineProperty(Navigator.prototype, 'doNotTrack', {get: () => '1'})",
}


class Traffic:
    """What pages ask of the collector from now on, the tag's own script aside."""

    def __init__(self, line: Line) -> None:
        self.line, self.before = line, len(line.requests)

    @property
    def asked(self) -> list[str]:
        return [path for _, path in self.line.requests[self.before :] if path != "/beknown.js"]


def kept(page: Any, browser: AnyBrowser) -> dict[str, Any]:
    """Everything that is stored for the site, by name."""
    stored: dict[str, Any] = page.evaluate("Object.assign({}, localStorage, sessionStorage)")
    return stored | {cookie["name"]: cookie["value"] for cookie in browser.cookies()}


def opened(browser: AnyBrowser, url: str) -> Any:
    page = browser.page()
    page.goto(url)
    page.wait_for_function("window.beknown")
    return page


def test_pending_stores_and_sends_nothing_and_a_yes_replays_what_waited(
    collector: Collector, line: Line, site: Site, any_browser: AnyBrowser
) -> None:
    traffic = Traffic(line)
    page = any_browser.page()
    page.goto(site.add("/", tag(line, consent="pending")))
    page.wait_for_function("window.beknown")
    page.evaluate("beknown.capture('early'); beknown.identify('ada'); beknown.capture('late'); beknown.reset()")
    assert page.evaluate("beknown.flush().then(beknown.consent)") == "pending"
    assert page.evaluate("beknown.get_distinct_id()") == ""
    page.wait_for_timeout(700)
    assert traffic.asked == []
    assert kept(page, any_browser) == {}
    page.evaluate("beknown.opt_in()")
    assert page.evaluate("beknown.consent()") == "granted"
    page.evaluate("beknown.flush()")
    collector.wait_for("late")
    _, early, known, _ = events = collector.events()
    assert [event["event"] for event in events] == ["$pageview", "early", "$identify", "late"]
    assert known["properties"]["$anon_distinct_id"] == early["distinct_id"] != "ada"  # a claim, not a name alone
    page.reload()
    page.wait_for_function("window.beknown && beknown.consent() == 'granted'")
    page.evaluate("beknown.flush()")
    assert len(collector.wait_for("$pageview", 2)) == 2


def test_a_no_forgets_the_visitor_and_silences_this_page_the_next_and_the_other_tab(
    collector: Collector, line: Line, site: Site, any_browser: AnyBrowser
) -> None:
    home = site.add("/", tag(line))
    page, other = opened(any_browser, home), opened(any_browser, home)
    for each in (page, other):
        each.evaluate("beknown.ready.then(beknown.flush)")
    before = len(collector.wait_for("$pageview", 2))
    page.evaluate(
        "beknown.reset(); beknown.opt_out(); beknown.capture('never'); beknown.identify('ada'); beknown.reset()"
    )
    assert page.evaluate("beknown.consent()") == "denied"
    assert kept(page, any_browser) == {f"bk_{KEY}": "denied"} or set(kept(page, any_browser)) == {f"bk_{KEY}"}
    traffic = Traffic(line)
    page.reload()
    page.wait_for_function("window.beknown")
    page.evaluate("beknown.capture('never'); beknown.flush()")
    other.evaluate("beknown.capture('never'); beknown.flush()")
    assert other.evaluate("beknown.consent()") == "denied"
    page.goto(site.add("/next", tag(line)))
    page.wait_for_timeout(700)
    assert traffic.asked == []
    # Yes after all: somebody new, whom nothing links to who was here before.
    page.evaluate("beknown.identify('bob'); beknown.opt_in()")
    page.evaluate("beknown.flush()")
    (identified,) = collector.wait_for("$identify")
    assert identified["distinct_id"] == "bob"
    assert collector.events("never") == []
    assert len(collector.events("$pageview")) == before + 1


@pytest.mark.parametrize("yes_comes", ["later", "at once"])
def test_an_answer_on_its_way_when_the_visitor_says_no_brings_nobody_back(
    collector: Collector, line: Line, site: Site, any_browser: AnyBrowser, yes_comes: str
) -> None:
    home = site.add("/", tag(line))
    page = opened(any_browser, home)
    page.evaluate("beknown.ready.then(beknown.flush)")
    for _ in range(3):  # a revision that somebody new does not reach soon
        page.evaluate("beknown.identify('ada'); beknown.reset(); beknown.identify('ada')")
        page.evaluate("beknown.flush()")
    page.goto(site.add("/empty", "<!-- no tag here -->"))
    collector.wait_for("$pageleave")  # by beacon: its answer, too, keeps who that was
    before = line.asked("/run")
    line.hold("/run")
    page.goto(home)
    page.wait_for_function("window.beknown")
    until(lambda: line.asked("/run") > before, "the page's calls")
    page.evaluate("beknown.opt_out()")
    if yes_comes == "at once":
        page.evaluate("beknown.opt_in()")
    line.release()  # the server answers what was asked before the no, and keeps who that was
    if yes_comes == "later":
        page.wait_for_timeout(1000)
        assert [cookie["name"] for cookie in any_browser.cookies()] == [f"bk_{KEY}"]
        page.evaluate("beknown.opt_in()")
    page.evaluate("beknown.flush()")
    visitor = page.evaluate("beknown.get_distinct_id()")
    page.goto(home)
    page.wait_for_function("window.beknown")
    page.evaluate("beknown.ready.then(beknown.flush)")
    assert page.evaluate("beknown.get_distinct_id()") == visitor != "ada"


@pytest.mark.parametrize("why", ["the tag", *SIGNALS])
def test_cookieless_counts_a_browser_once_a_day_and_stores_nothing(
    collector: Collector, site: Site, any_browser: AnyBrowser, why: str
) -> None:
    home = site.add("/", tag(collector, consent="cookieless") if why == "the tag" else tag(collector))
    page = any_browser.page()
    if why in SIGNALS:
        page.add_init_script(SIGNALS[why])
    page.goto(home)
    page.wait_for_function("window.beknown")
    assert page.evaluate("beknown.consent()") == "cookieless"
    page.evaluate("beknown.capture('one'); beknown.identify('ada')")
    page.evaluate("beknown.flush()")
    page.reload()
    page.wait_for_function("window.beknown")
    page.evaluate("beknown.ready.then(() => beknown.capture('two')).then(beknown.flush)")
    collector.wait_for("two")
    events = collector.events()
    assert {event["distinct_id"] for event in events} == {events[0]["distinct_id"]}
    assert events[0]["distinct_id"].startswith("cookieless_")
    assert collector.events("$identify") == []
    telling = {"$device_id", "$session_id", "$window_id", "$sequence"}
    assert not any(telling & set(event["properties"]) for event in events)
    assert all(event["properties"]["$cookieless_mode"] is True for event in events)
    assert {event["properties"].get("$gpc") for event in events} == {True if why in SIGNALS else None}
    assert kept(page, any_browser) == {}
    until(lambda: any("opt_in()" in line for line in any_browser.listen()), str(any_browser.said))
    findings = {each["code"]: each for each in collector.api("identity/report")["findings"]}
    assert findings["gpc_or_opted_out"]["count"] >= 1


def test_a_site_may_choose_not_to_listen_to_the_signals(
    collector: Collector, site: Site, any_browser: AnyBrowser
) -> None:
    page = any_browser.page()
    for signal in SIGNALS.values():
        page.add_init_script(signal)
    page.goto(site.add("/", tag(collector, respect_gpc="false")))
    page.wait_for_function("window.beknown && beknown.consent() == 'granted'")
    page.evaluate("beknown.flush()")
    (view,) = collector.wait_for("$pageview")
    assert view["distinct_id"] == page.evaluate("beknown.get_distinct_id()")


@pytest.mark.parametrize("setting", ["mpy", "mpy worker"])
@pytest.mark.parametrize("signal", SIGNALS)
def test_a_page_of_python_counts_whom_a_signal_is_of_without_an_id(
    collector: Collector, site: Site, browser: Browser, signal: str, setting: str
) -> None:
    code = f"""
import beknown
from pyscript import document
beknown.init("{KEY}", api="{collector.url}", bots="count")
await beknown.flush()
document.body.setAttribute("data-told", beknown.consent())
"""
    assert browser.context is not None
    browser.context.add_init_script(SIGNALS[signal])
    url = site.add("/", pyscript.script(collector, setting, code), headers=pyscript.ISOLATED)
    page = pyscript.opened(browser, url, "data-told")
    assert page.get_attribute("body", "data-told") == "cookieless"
    (view,) = collector.wait_for("$pageview")
    assert view["properties"]["$gpc"] is True
    assert kept(page, browser) == {}


ASKED = """[posthog.has_opted_in_capturing(), posthog.has_opted_out_capturing(), posthog.is_capturing(),
  posthog.get_explicit_consent_status()]"""


def test_a_page_that_speaks_posthog_js_is_answered(collector: Collector, site: Site, any_browser: AnyBrowser) -> None:
    page = any_browser.page()
    page.goto(site.add("/", tag(collector, consent="pending", **{"global": "posthog"})))
    page.wait_for_function("window.posthog")
    assert page.evaluate(ASKED) == [True, False, False, "pending"]
    page.evaluate("posthog.opt_in_capturing()")
    assert page.evaluate(ASKED) == [True, False, True, "granted"]
    page.evaluate("posthog.group('company', 'acme'); posthog.resetGroups(); posthog.createPersonProfile()")
    page.evaluate("posthog.people.set({plan: 'pro'}); posthog.people.set_once('source', 'ad')")
    page.evaluate("posthog.setPersonProperties({seats: 3}); posthog.capture('last'); posthog.flush()")
    last = collector.wait_for("last")[0]
    names = ["$pageview", "$groupidentify", "$set", "$set", "$set", "$set", "last"]
    assert [event["event"] for event in collector.events()] == names
    assert "$groups" not in last["properties"]
    known = collector.person(last["distinct_id"])["properties"]
    assert {name: known[name] for name in ("plan", "source", "seats", "$initial_pathname")} == {
        "plan": "pro",
        "source": "ad",
        "seats": 3,
        "$initial_pathname": "/",
    }
    page.evaluate("posthog.opt_out_capturing()")
    assert page.evaluate(ASKED) == [False, True, False, "denied"]
    assert any_browser.listen() == []


PRERENDER = """<script type=speculationrules>{"prerender": [{"urls": ["/next"], "eagerness": "immediate"}]}</script>"""
WHEN_TOLD = """<script>const look = setInterval(() => fetch("/go").then(({ok}) => {
  if (ok) { clearInterval(look); location = "/next" } }), 100)</script>"""


@contextmanager
def alone(profile: Path, url: str) -> Iterator[Path]:
    """A Chromium that nobody drives: Playwright's own switches keep it from showing what it has prerendered, and from
    ever taking a page for hidden."""
    command = [CHROMIUM, *FLAGS, "--remote-debugging-port=0", f"--user-data-dir={profile}", url]
    browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield profile / "DevToolsActivePort"
    finally:
        browser.terminate()
        browser.wait()


def test_a_page_that_is_only_prerendered_is_not_counted_until_it_is_shown(
    collector: Collector, site: Site, tmp_path: Path
) -> None:
    told = "fetch('/next/is/' + (document.prerendering ? 'prerendered' : 'loaded'))"
    site.add("/next", tag(collector), script=told)
    home = site.add("/", PRERENDER + WHEN_TOLD + tag(collector))
    with alone(tmp_path / "alone", home):
        until(lambda: "/next/is/prerendered" in site.asked, f"the next page to be prerendered; {site.asked}")
        collector.wait_for("$pageview")
        time.sleep(1)
        assert [event["properties"]["$pathname"] for event in collector.events("$pageview")] == ["/"]
        site.add("/go", "")
        views = collector.wait_for("$pageview", 2)
    assert "/next/is/loaded" not in site.asked
    assert [event["properties"]["$pathname"] for event in views] == ["/", "/next"]
    assert len({event["distinct_id"] for event in views}) == 1


def test_what_is_chosen_while_a_page_is_only_prerendered_counts_once_it_is_shown(
    collector: Collector, site: Site, tmp_path: Path
) -> None:
    told = "const chosen = () => fetch('/next/is/' + (document.prerendering ? 'chosen' : 'late'));"
    choose = "addEventListener('load', () => { beknown.capture('before'); beknown.opt_out(); chosen() });"
    shown = "document.addEventListener('prerenderingchange', () => fetch('/next/was/shown'))"
    site.add("/next", tag(collector), script=told + choose + shown)
    home = site.add("/", PRERENDER + WHEN_TOLD + tag(collector))
    with alone(tmp_path / "alone", home):
        until(lambda: "/next/is/chosen" in site.asked, f"the next page to be prerendered; {site.asked}")
        collector.wait_for("$pageview")
        site.add("/go", "")
        until(lambda: "/next/was/shown" in site.asked, "the next page to be shown")
        time.sleep(1.5)
    assert {event["properties"]["$pathname"] for event in collector.events()} == {"/"}


def test_what_is_called_while_a_page_is_only_prerendered_is_of_the_tab_that_the_page_goes_on_as(
    collector: Collector, site: Site, tmp_path: Path
) -> None:
    told = "const called = () => fetch('/next/' + (document.prerendering ? 'called' : 'late'));"
    call = "addEventListener('load', () => { beknown.capture('early'); called() });"
    shown = "document.addEventListener('prerenderingchange', () => setTimeout(() => beknown.capture('later')))"
    site.add("/next", tag(collector), script=told + call + shown)
    home = site.add("/", PRERENDER + WHEN_TOLD + tag(collector))
    with alone(tmp_path / "alone", home):
        until(lambda: "/next/called" in site.asked, f"the next page to be prerendered; {site.asked}")
        collector.wait_for("$pageview")
        site.add("/go", "")
        collector.wait_for("later")
    events = [event for event in collector.events() if event["properties"]["$pathname"] == "/next"]
    assert {"early", "later"} <= {event["event"] for event in events}
    assert len({event["properties"]["$window_id"] for event in events}) == 1


MOVE_ON = "addEventListener('visibilitychange', () => document.hidden && (location = '/next')); fetch('/listens')"


def test_a_page_that_was_opened_in_the_background_is_counted_when_it_is_seen(
    collector: Collector, site: Site, tmp_path: Path
) -> None:
    site.add("/next", tag(collector), script="fetch('/next/is/' + document.visibilityState)")
    home = site.add("/", "", script=MOVE_ON)
    with alone(tmp_path / "alone", home) as told:
        until(lambda: told.exists() and "/listens" in site.asked, "the browser to open its page")
        browser = f"http://127.0.0.1:{told.read_text().split()[0]}/json"
        (page,) = (each for each in httpx.get(browser).json() if each["type"] == "page")
        httpx.put(f"{browser}/new?about:blank").raise_for_status()  # in front of it
        until(lambda: "/next/is/hidden" in site.asked, f"the page to move on while it is hidden; {site.asked}")
        time.sleep(1)
        assert collector.events() == []
        httpx.get(f"{browser}/activate/{page['id']}").raise_for_status()
        (view,) = collector.wait_for("$pageview")
    assert view["properties"]["$pathname"] == "/next"
    assert "/next/is/visible" not in site.asked
