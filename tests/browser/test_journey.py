"""The main job as one journey, in each browser: captured, identified, away, back after a restart, logged out."""

from __future__ import annotations

import pytest

from .conftest import AnyBrowser, Collector, Site, tag, until

ID = "beknown.get_distinct_id()"


@pytest.mark.parametrize("first", ["server", "page"])
def test_the_main_journey(collector: Collector, site: Site, lasting_browser: AnyBrowser, first: str) -> None:
    home, next_page = site.add("/", tag(collector, first=first)), site.add("/next", tag(collector, first=first))
    page = lasting_browser.page()
    page.goto(home)
    assert page.evaluate("beknown.ready")["runtime"] == "micropython"
    visitor, device = page.evaluate(ID), page.evaluate("beknown.get_device_id()")
    assert visitor == device
    page.reload()
    page.wait_for_function("window.beknown")
    assert page.evaluate(ID) == visitor

    page.evaluate(
        "beknown.capture('signup_clicked', {plan: 'pro', café: 'é😀'}); beknown.identify('ada', {name: 'Ada'})"
    )
    page.goto(next_page)  # at once: the calls are on their way, or go on from the journal
    page.evaluate("beknown.ready.then(beknown.flush)")
    assert page.evaluate(ID) == "ada"
    lasting_browser.close()
    lasting_browser.open()
    page = lasting_browser.page()
    page.goto(home)
    page.evaluate("beknown.ready.then(beknown.flush)")
    assert page.evaluate(ID) == "ada"
    page.evaluate("beknown.reset(); beknown.capture('browsed_on')")
    page.evaluate("beknown.flush()")

    (clicked,) = collector.wait_for("signup_clicked")
    (browsed,) = collector.wait_for("browsed_on")
    (identified,) = collector.wait_for("$identify")
    assert clicked["distinct_id"] == visitor
    assert clicked["properties"]["café"] == "é😀"
    assert identified["distinct_id"] == "ada"
    assert browsed["distinct_id"] == page.evaluate(ID) not in ("ada", visitor)
    assert browsed["properties"]["$device_id"] == device
    ada = collector.person("ada")
    assert sorted(ada["distinct_ids"]) == sorted([visitor, "ada"])
    assert ada["properties"]["name"] == "Ada"
    assert len(until(lambda: collector.events("$pageview"), "page views")) == 4
    assert lasting_browser.said == []
