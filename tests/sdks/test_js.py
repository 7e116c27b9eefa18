"""posthog-js, as published, in Chromium: a visit from first page to page exit, retries, an empty console."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Playwright, Response

from ..browser.conftest import CHROMIUM, FLAGS
from .conftest import Collected, Line

PACKAGE = Path(__file__).parents[2] / "static/node_modules/posthog-js"
# As its documentation tells to load it. Its robot filter would refuse a headless browser.
PAGE = """<!doctype html><title>Shop</title><link rel="icon" href="data:,">
<script src="/array.js"></script>
<button id="buy">Buy</button>
<script>posthog.init("{key}", {{api_host: "{url}", opt_out_useragent_filter: true, {options}}})</script>"""


class Shop(ThreadingHTTPServer):
    """A customer's site on an origin of its own, which serves posthog-js as its package has it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Serving)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.page = ""
        self.script = (PACKAGE / "dist/array.js").read_bytes()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Serving(BaseHTTPRequestHandler):
    server: Shop

    def do_GET(self) -> None:
        is_script = self.path == "/array.js"
        content = self.server.script if is_script else self.server.page.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript" if is_script else "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


class Visit:
    """One visitor, and everything that their browser's console and network tab would show."""

    def __init__(self, context: BrowserContext, shop: Shop, line: Line, collected: Collected) -> None:
        self.shop, self.line, self.collected = shop, line, collected
        self.noise: list[str] = []
        self.page: Page = context.new_page()
        self.page.on("console", self.heard)
        self.page.on("pageerror", lambda error: self.noise.append(str(error)))
        self.page.on("response", self.answered)

    def heard(self, message: ConsoleMessage) -> None:
        self.noise.append(f"{message.type}: {message.text}")

    def answered(self, response: Response) -> None:
        if response.status >= 400:
            self.noise.append(f"{response.status} {response.url}")

    def open(self, options: str = "", key: str = "") -> None:
        self.shop.page = PAGE.format(key=key or self.collected.key, url=self.line.url, options=options)
        self.page.goto(self.shop.url + "/pricing?utm_source=news")

    def run(self, script: str) -> Any:
        return self.page.evaluate(script)

    def until(self, question: Callable[[], Any], what: str) -> Any:
        def ask() -> Any:
            self.page.wait_for_timeout(50)  # Playwright hands on what pages say only while it is asked something
            return question()

        return self.collected.until(ask, f"{what}; noise: {self.noise}")


@pytest.fixture
def visit(
    playwright: Playwright,
    tmp_path: Path,
    line: Line,
    collected: Collected,
) -> Iterator[Visit]:
    shop = Shop()
    context = playwright.chromium.launch_persistent_context(
        str(tmp_path / "profile"), executable_path=CHROMIUM, args=FLAGS, headless=True
    )
    yield Visit(context, shop, line, collected)
    context.close()
    shop.shutdown()
    shop.server_close()


def test_it_is_the_version_of_the_reference() -> None:
    assert json.loads((PACKAGE / "package.json").read_text())["version"] == "1.449.2"


def test_a_whole_visit_arrives_once_and_the_console_stays_empty(visit: Visit, line: Line, collected: Collected) -> None:
    visit.open()
    visit.run("new Promise(done => posthog.onFeatureFlags(done))")
    anonymous = visit.run("posthog.get_distinct_id()")
    visit.run("posthog.capture('looked', {price: 39})")
    visit.page.click("#buy")
    visit.run("posthog.identify('u1', {email: 'ada@x.example'}, {first: 1})")
    visit.run("posthog.setPersonProperties({name: 'Ada'})")
    visit.run("posthog.unsetPersonProperties(['name'])")
    visit.run("posthog.group('company', 'acme', {size: 3})")
    visit.run("posthog.alias('phone-7')")
    assert visit.run("posthog.isFeatureEnabled('beta')") in (None, False)
    visit.until(lambda: collected.names()["$create_alias"], "the alias")
    visit.run("posthog.reset()")
    visit.run("posthog.capture('after reset')")
    visit.page.goto("about:blank")  # what waits leaves as a beacon
    visit.until(lambda: collected.names()["$pageleave"], "the page's exit")
    names = collected.names()
    assert names.pop("$feature_flag_called", 0) <= 1
    calls = "$pageview|looked|$autocapture|$identify|$set|$set|$groupidentify|$create_alias|after reset|$pageleave"
    assert names == Counter(calls.split("|"))
    person = collected.person("u1")
    assert sorted(person["distinct_ids"]) == sorted([anonymous, "u1", "phone-7"])
    assert (person["properties"]["email"], person["properties"]["first"]) == ("ada@x.example", 1)
    assert "name" not in person["properties"]
    assert collected.one("looked")["distinct_id"] == anonymous
    assert collected.one("after reset")["distinct_id"] not in (anonymous, "u1")
    assert collected.one("$pageview")["properties"]["utm_source"] == "news"
    assert line.requests("/flags/")
    assert set(line.requests("/")) == {200}
    assert collected.warnings() == {}
    assert visit.noise == []


@pytest.mark.parametrize("options", ["disable_compression: true", "api_transport: 'XHR'", "request_batching: false"])
def test_every_way_of_sending_is_understood(visit: Visit, line: Line, collected: Collected, options: str) -> None:
    visit.open(options)
    visit.run("posthog.capture('looked')")
    visit.until(lambda: len(collected.events()) == 2, "two events")  # unbatched, posthog-js loses what is under way
    visit.page.goto("about:blank")
    visit.until(lambda: len(collected.events()) == 3, "three events")
    assert collected.names() == Counter(["$pageview", "looked", "$pageleave"])
    assert set(line.requests("/")) == {200}
    assert visit.noise == []


@pytest.mark.parametrize("fault", ["503", "lost", "cut"])
def test_what_failed_is_sent_again_and_stored_once(visit: Visit, line: Line, collected: Collected, fault: str) -> None:
    line.faults = [fault]
    visit.open("capture_pageview: false, capture_pageleave: true, autocapture: false")
    visit.run("for (let number = 0; number < 20; number++) posthog.capture('counted', {number})")
    visit.until(lambda: len(collected.events()) == 20 and 200 in line.requests("/e/"), "the retry")
    visit.page.goto("about:blank")
    visit.until(lambda: collected.names()["$pageleave"], "the page's exit")
    counted = [row["properties"]["number"] for row in collected.events() if row["event"] == "counted"]
    assert sorted(counted) == list(range(20))
    assert line.requests("/e/")[:2] == [0 if fault == "cut" else 503, 200]


def test_a_wrong_key_is_refused_once_and_never_sent_again(visit: Visit, line: Line) -> None:
    visit.open("autocapture: false", key="bk_other")
    visit.until(lambda: line.requests("/e/"), "the page view")
    visit.page.wait_for_timeout(4000)  # a retry would come after three seconds
    assert line.requests("/e/") == [401]
