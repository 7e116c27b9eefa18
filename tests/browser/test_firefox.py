"""The main job in Firefox: a visitor is captured, identified and reset, reloads, leaves, comes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Collector, Site, tag, until
from .firefox import FIREFOX, Firefox

pytestmark = pytest.mark.skipif(not FIREFOX, reason="Firefox is not installed (Debian: firefox-esr)")

ID = "beknown.get_distinct_id()"


@pytest.fixture
def firefox(tmp_path: Path) -> Iterator[Firefox]:
    running = Firefox(tmp_path / "firefox")
    yield running
    running.close()
    assert running.errors == []
    assert running.said == []


@pytest.fixture(params=["server", "page"])
def first(request: pytest.FixtureRequest) -> str:
    """Who takes the first calls: the server's Python, or the page's own as soon as it is up."""
    return str(request.param)


def test_the_main_journey(collector: Collector, site: Site, firefox: Firefox, first: str) -> None:
    home, next_page = site.add("/", tag(collector, first=first)), site.add("/next", tag(collector, first=first))
    firefox.goto(home)
    assert firefox.evaluate("beknown.ready")["runtime"] == "micropython"
    visitor, device = firefox.evaluate(ID), firefox.evaluate("beknown.get_device_id()")
    assert visitor == device
    firefox.reload()
    assert firefox.evaluate(ID) == visitor

    firefox.run("beknown.capture('signup_clicked', {plan: 'pro', café: 'é😀'}); beknown.identify('ada', {name: 'Ada'})")
    firefox.goto(next_page)  # at once: the calls are on their way, or go on from the journal
    firefox.evaluate("beknown.ready.then(beknown.flush)")
    assert firefox.evaluate(ID) == "ada"
    firefox.close()
    firefox.open()
    firefox.goto(home)
    firefox.evaluate("beknown.ready")
    assert firefox.evaluate(ID) == "ada"
    firefox.run("beknown.reset(); beknown.capture('browsed_on')")
    firefox.evaluate("beknown.flush()")

    (clicked,) = collector.wait_for("signup_clicked")
    (browsed,) = collector.wait_for("browsed_on")
    (identified,) = collector.wait_for("$identify")
    assert clicked["distinct_id"] == visitor
    assert clicked["properties"]["café"] == "é😀"
    assert identified["distinct_id"] == "ada"
    assert browsed["distinct_id"] == firefox.evaluate(ID) not in ("ada", visitor)
    assert browsed["properties"]["$device_id"] == device
    ada = collector.person("ada")
    assert sorted(ada["distinct_ids"]) == sorted([visitor, "ada"])
    assert ada["properties"]["name"] == "Ada"
    assert len(until(lambda: collector.events("$pageview"), "page views")) == 4


def test_a_policy_that_forbids_webassembly_leaves_the_calls_to_the_servers_python(
    collector: Collector, site: Site, firefox: Firefox
) -> None:
    policy = f"default-src 'none'; script-src {collector.url}; connect-src {collector.url}"
    firefox.goto(site.add("/", tag(collector), headers={"Content-Security-Policy": policy}))
    visitor = firefox.evaluate(ID)
    firefox.run("beknown.capture('one'); beknown.identify('ada'); beknown.reset(); beknown.capture('two')")
    firefox.evaluate("beknown.flush()")
    (one,), (two,) = collector.wait_for("one"), collector.wait_for("two")
    assert one["distinct_id"] == visitor
    assert two["distinct_id"] == firefox.evaluate(ID) not in ("ada", visitor)
