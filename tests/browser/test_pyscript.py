"""Python in the page: the example apps, and one visitor whoever does the counting."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Browser, Collector
from .pyscript import SLOW


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Collector]:
    running = Collector(tmp_path, "demo")
    yield running
    running.end()


def opened(browser: Browser, url: str):
    page = browser.page()
    page.goto(url)
    page.wait_for_selector("body[data-ready]", timeout=SLOW)
    return page


def test_an_app_on_micropython_counts_its_visitor(demo: Collector, browser: Browser) -> None:
    page = opened(browser, f"{demo.url}/examples/micropython?bots=count")
    page.click("text=Black")
    assert page.inner_text("#answer") == "black tea: 4 minutes."
    (event,) = demo.wait_for("tea_chosen")
    assert event["properties"]["minutes"] == 4
    assert event["distinct_id"] == page.get_attribute("body", "data-ready")
    (view,) = demo.wait_for("$pageview")
    assert view["distinct_id"] == event["distinct_id"]
    assert browser.said == []


def test_an_app_on_pyodide_counts_its_visitor(demo: Collector, browser: Browser) -> None:
    page = opened(browser, f"{demo.url}/examples/pyodide?bots=count")
    page.click("#summarise")
    assert "median 11" in page.inner_text("#answer")
    (done,) = demo.wait_for("column_summarised")
    assert 0 <= done["properties"]["duration_ms"] < 5000
    (read,) = demo.wait_for("column_read")
    assert read["properties"]["step"] == "count"
    assert sorted(read["properties"]["whole"]) == [7, 8, 11]
    assert "step" not in done["properties"]
    assert browser.said == []


def test_tag_and_python_on_one_page_are_one_visitor(demo: Collector, browser: Browser) -> None:
    page = opened(browser, f"{demo.url}/examples/both?bots=count")
    visitor = page.evaluate("beknown.get_distinct_id()")
    assert visitor in page.inner_text("#answer")
    page.click("#from-javascript")
    page.click("#from-python")
    page.click("#sign-up")
    page.wait_for_function("document.querySelector('#answer').textContent == 'You are ada@example.com'")
    (theirs,) = demo.wait_for("from_javascript")
    (ours,) = demo.wait_for("from_python")
    (claim,) = demo.wait_for("$identify")
    assert [theirs["distinct_id"], ours["distinct_id"]] == [visitor, visitor]
    assert claim["properties"]["$anon_distinct_id"] == visitor
    assert ours["properties"]["whole"] == 2**40
    assert len({event["properties"]["$session_id"] for event in (theirs, ours, claim)}) == 1
    numbers = [event["properties"]["$sequence"] for event in (theirs, ours, claim)]
    assert numbers == sorted(numbers)
    assert page.evaluate("beknown.get_distinct_id()") == "ada@example.com"
    assert len(demo.events("$pageview")) == 1
    assert browser.said == []
