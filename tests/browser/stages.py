"""Where conformance cases are played in a real Chromium: the tag on either runtime, and the page's own Python.

One browser, one server and one page for all cases of a host; each case is a visitor of its own.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote

from beknown import event
from playwright.sync_api import Frame, Page, Playwright

from ..client.test_conformance import Visitor
from .conftest import KEY, Browser, Collector, Site, own_browser, tag
from .pyscript import ISOLATED, SLOW, opened, script

NAME = f"bk_{KEY}"


def is_of(tab: str, properties: dict[str, Any]) -> bool:
    """Tell whether an event with these properties is a tab's."""
    return properties["$window_id"] == event.window(properties["$session_id"], tab)


class Found(Visitor):
    """What became of a case in the browser, in the shape that the cases are compared with."""

    def __init__(self, stored: list[str], events: list[dict[str, Any]], said: list[str], journal: list[str]) -> None:
        self.stored, self.events, self.said, self.journal, self.repeats = stored, events, said, journal, 0


# What an earlier visit left: cookie and localStorage, each if there is any.
LEAVE = """([name, cookie, local]) => {
  if (cookie) document.cookie = name + "=" + encodeURIComponent(cookie) + ";path=/";
  if (local) localStorage.setItem(name, local);
}"""


class TagStage:
    """The tag on MicroPython: a page that is loaded afresh for each case, and where a case says so."""

    options: ClassVar[dict[str, str]] = {}
    first = ("server", "page")  # by turns: the server's Python takes the first calls, or the page's own takes all

    def __init__(self, collector: Collector, site: Site, browser: Browser) -> None:
        self.collector, self.site, self.browser = collector, site, browser
        self.blank = site.add("/blank", "")
        self.page = browser.page()

    def html(self, tags: str) -> str:
        return tags

    def url(self, first: str, options: dict[str, str]) -> str:
        """Give the address of the page whose tag has these options."""
        path = "/" + "".join(letter for letter in f"{first} {options}" if letter.isalnum())
        return self.site.add(
            path, self.html(tag(self.collector, pageviews="off", first=first, **self.options, **options))
        )

    def play(self, case: dict[str, Any], number: int) -> Found:
        """Let a new visitor make a case's calls; give what became of them."""
        url = self.url(self.first[number % len(self.first)], case.get("options", {}))
        self.empty()
        if left := case.get("facts", {}).get("posthog"):
            self.page.evaluate(f"text => localStorage.setItem('ph_{KEY}_posthog', text)", left)
        if stored := case.get("stored"):
            self.page.evaluate(LEAVE, [NAME, *stored])
        self.browser.said.clear()
        self.load(url)
        for is_call, steps in groupby(case["steps"], key=lambda step: isinstance(step, list)):
            if is_call:
                make = "calls => calls.forEach(([name, ...args]) => beknown[name](...args))"
                self.scene.evaluate(make, list(steps))
            else:
                self.load(url)
        tab = self.scene.evaluate("beknown.flush().then(() => Object.values(sessionStorage)[0])")
        rows = self.collector.api("events", limit=100)["results"]
        events = [row for row in reversed(rows) if is_of(tab, row["properties"])]
        assert self.browser.context is not None
        cookies = {cookie["name"]: unquote(cookie["value"]) for cookie in self.browser.context.cookies()}
        local = dict(self.scene.evaluate("Object.entries(localStorage)"))
        journal = [place for place in local if place.startswith(NAME + "~")]
        return Found([cookies[NAME], local[NAME]], events, list(self.browser.said), journal)

    def empty(self) -> None:
        """Forget the last visitor, once their page is gone: its worker may come up late, and store once more."""
        assert self.browser.context is not None
        self.leave()
        self.page.evaluate("localStorage.clear(); sessionStorage.clear()")
        self.browser.context.clear_cookies()

    def leave(self) -> None:
        """Go to a page without the tag."""
        self.page.goto(self.blank)

    def load(self, url: str) -> None:
        self.page.goto(url)
        self.page.wait_for_function("window.beknown", polling=10)

    @property
    def scene(self) -> Page | Frame:
        """Where the tag is."""
        return self.page


# Pyodide takes seconds to start. So the page in which cases are played is a frame, loaded afresh for each as ever, and
# only its worker is its parent's and stays: a "start" message gives it a new visitor.
STAY = """
const seat = document.createElement("iframe");
document.body.append(seat);
let worker, ready, front;
window.StayingWorker = function (url) {
  front = this;
  this.postMessage = (text) => {
    if (worker && JSON.parse(text).base) return setTimeout(() => this.onmessage({ data: ready }));
    worker ||= Object.assign(new Worker(url), {
      onmessage({ data }) {
        if (JSON.parse(data).ready) ready = data;
        front.onmessage({ data });
      },
    });
    worker.postMessage(text);
  };
};
"""


class PyodideTagStage(TagStage):
    """The tag on Pyodide: all cases by one interpreter."""

    first = ("page",)
    options: ClassVar[dict[str, str]] = {"runtime": "pyodide", "load": "eager"}

    def __init__(self, collector: Collector, site: Site, browser: Browser) -> None:
        super().__init__(collector, site, browser)
        self.page.goto(site.add("/stays", "", script=STAY))

    def html(self, tags: str) -> str:
        # A frame has no tab of its own (beknown.js); this one passes for a page.
        return "<script>window.Worker = parent.StayingWorker; window.self = top</script>" + tags

    def leave(self) -> None:
        self.seat("about:blank")

    def seat(self, url: str) -> None:
        """Load a page in the frame."""
        self.page.evaluate("url => new Promise((done) => { seat.onload = done; seat.src = url })", url)

    def load(self, url: str) -> None:
        if len(self.page.frames) > 1 and self.scene.evaluate("!!window.beknown"):
            self.scene.evaluate("beknown.flush()")  # the worker must owe the last page nothing
        self.seat(url)
        self.scene.wait_for_function("window.beknown", polling=10, timeout=SLOW)
        assert self.scene.evaluate("beknown.ready")["runtime"] == "pyodide"

    @property
    def scene(self) -> Page | Frame:
        return self.page.frames[1]


DRIVER = """
import json
from beknown.hosts import browser
from conformance_cases import CASES
from player import Player
from pyscript import window
player = Player(window, "{key}", "{api}")
window.document.body.setAttribute("data-played", await player.play_all(CASES))
"""


class PythonStage:
    """The page's own Python: one page plays all cases by itself, through ``import beknown``."""

    def __init__(self, setting: str, cases: list[dict[str, Any]]) -> None:
        self.setting, self.cases = setting, cases

    def __call__(self, collector: Collector, site: Site, browser: Browser) -> PythonStage:
        cases = json.dumps(self.cases, ensure_ascii=False)  # MicroPython does not join escaped surrogates
        module = f"import json\nCASES = json.loads({cases!r})\n"
        site.pages["/conformance_cases.py"] = (module, {})
        site.pages["/player.py"] = (Path(__file__).with_name("player.py").read_text(), {})
        files = {name: "." + name for name in ("/conformance_cases.py", "/player.py")}
        code = DRIVER.format(key=KEY, api=collector.url)
        url = site.add("/", script(collector, self.setting, code, files), headers=ISOLATED)
        self.browser, self.collector, self.url = browser, collector, url
        return self

    @functools.cached_property
    def outcomes(self) -> list[dict[str, Any]]:
        self.page = opened(self.browser, self.url, "data-played", 4 * SLOW)
        found: list[dict[str, Any]] = json.loads(self.page.get_attribute("body", "data-played") or "")
        return found

    @functools.cached_property
    def events(self) -> list[dict[str, Any]]:
        """Every event at the server, in the order of arrival."""
        answer = self.collector.api("events", limit=1000)
        rows = answer["results"]
        while answer["next"]:
            answer = self.collector.api("events", limit=1000, before=answer["next"])
            rows += answer["results"]
        return rows[::-1]

    def play(self, case: dict[str, Any], number: int) -> Found:
        """Give what became of a case."""
        outcome = self.outcomes[self.cases.index(case)]
        assert "failed" not in outcome, outcome["failed"]
        events = [row for row in self.events if is_of(outcome["tab"], row["properties"])]
        return Found(outcome["stored"], events, outcome["said"], outcome["journal"])


@contextmanager
def staged(kind: Any, playwright: Playwright, folder: Path) -> Iterator[Any]:
    """Set a stage up, with a collector, a site and a browser of its own."""
    collector, site = Collector(folder), Site()
    browser = own_browser(playwright, folder / "profile")
    yield kind(collector, site, browser)
    browser.close()
    site.close()
    collector.end()
    assert browser.errors == []
