"""The cases of tests/conformance that need nothing but a page's calls, through the real tag and a real server.

One browser, one server and one page for all of them; each case is a visitor of its own, on a page loaded afresh.
``$set`` and ``$set_once`` are not compared here: they reach persons, not events.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Any
from urllib.parse import unquote

import pytest
from playwright.sync_api import Page, Playwright

from ..client.test_conformance import CASES, Visitor, compare, named
from .conftest import KEY, Browser, Collector, Site, tag


def is_for_pages(case: dict[str, Any]) -> bool:
    """Tell whether a case uses only what a page can do: calls, and the next page."""
    return (
        case.get("browser", True)
        and set(case) <= {"case", "browser", "steps", "events", "said", "state"}
        and all(isinstance(step, list) or step == {"page": True} for step in case["steps"])
    )


FOR_PAGES = [case for case in CASES if is_for_pages(case)]


class Found(Visitor):
    """What became of a case in the browser, in the shape that the cases are compared with."""

    def __init__(self, stored: list[str], events: list[dict[str, Any]], said: list[str], journal: list[str]) -> None:
        self.stored, self.events, self.said, self.journal, self.repeats = stored, events, said, journal, 0


class Stage:
    """One page that is loaded again and again."""

    def __init__(self, collector: Collector, browser: Browser, page: Page, urls: dict[str, str]) -> None:
        self.collector, self.browser, self.page, self.urls = collector, browser, page, urls

    def play(self, case: dict[str, Any], first: str) -> Found:
        """Let a new visitor make a case's calls; give what became of them."""
        page = self.page
        self.browser.context.clear_cookies()
        page.goto(self.urls["blank"])
        page.evaluate("localStorage.clear(); sessionStorage.clear()")
        self.browser.said.clear()
        self.load(self.urls[first])
        for is_call, steps in groupby(case["steps"], key=lambda step: isinstance(step, list)):
            if is_call:
                page.evaluate("calls => calls.forEach(([name, ...args]) => beknown[name](...args))", list(steps))
            else:
                self.load(self.urls[first])
        tab = page.evaluate("beknown.flush().then(() => Object.values(sessionStorage)[0])")
        rows = self.collector.api("events", limit=100)["results"]
        events = [row for row in reversed(rows) if row["properties"]["$window_id"] == tab]
        name = f"bk_{KEY}"
        cookies = {cookie["name"]: unquote(cookie["value"]) for cookie in self.browser.context.cookies()}
        local = dict(page.evaluate("Object.entries(localStorage)"))
        journal = [place for place in local if place.startswith(name + "~")]
        return Found([cookies[name], local[name]], events, list(self.browser.said), journal)

    def load(self, url: str) -> None:
        self.page.goto(url)
        self.page.wait_for_function("window.beknown", polling=10)


@pytest.fixture(scope="module")
def stage(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    collector, site = Collector(tmp_path_factory.mktemp("conformance")), Site()
    browser = Browser(playwright, tmp_path_factory.mktemp("profile") / "profile")
    urls = {first: site.add(f"/{first}", tag(collector, pageviews="off", first=first)) for first in ("server", "page")}
    urls["blank"] = site.add("/blank", "")
    yield Stage(collector, browser, browser.page(), urls)
    browser.close()
    site.close()
    collector.stop()
    assert browser.errors == []


@pytest.mark.parametrize("case", FOR_PAGES, ids=[named(case["case"])[5:] for case in FOR_PAGES])
def test_it_is_so_in_the_browser_too(stage: Stage, case: dict[str, Any]) -> None:
    expected = json.loads(json.dumps(case))
    for event in expected.get("events", []):
        if isinstance(event, dict):
            event.pop("$set", None)
            event.pop("$set_once", None)
    first = "page" if FOR_PAGES.index(case) % 2 else "server"  # every other case by the page's own Python alone
    compare(expected, stage.play(case, first), {})


def test_there_are_cases_for_the_browser() -> None:
    assert len(FOR_PAGES) >= 80
