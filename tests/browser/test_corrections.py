"""What an operator corrects, by clicking, with the keyboard and without JavaScript; and what a project chooses."""

from __future__ import annotations

import pytest

from .conftest import Collector, until
from .windows import Windows, capture, open_windows  # noqa: F401


@pytest.fixture
def two(collector: Collector) -> Collector:
    """Ada with an anonymous id of hers, and Bob."""
    capture(collector, "$pageview", "anon-a")
    capture(collector, "$identify", "ada", **{"$anon_distinct_id": "anon-a", "$set": {"email": "ada@example.com"}})
    capture(collector, "$identify", "bob", **{"$set": {"email": "bob@example.com"}})
    return collector


@pytest.mark.parametrize("scripts", [True, False], ids=["with-scripts", "without"])
def test_a_person_is_merged_split_mended_and_deleted(two: Collector, windows: Windows, scripts: bool) -> None:
    page = windows.signed_in(two, java_script_enabled=scripts)
    page.goto(two.url + "/people/ada")
    origin = page.locator(".origin").first.inner_text()
    assert "by Identified" in origin
    assert origin.endswith("under ada")
    if scripts:
        page.type("#into", "bob@")
        until(lambda: page.locator("#others option").count() == 1, "Bob to be offered")
    page.fill("#into", "bob")
    page.press("#into", "Enter")
    page.wait_for_selector("[role=status] >> text=They are one person now")
    assert set(two.person("ada")["distinct_ids"]) == {"ada", "anon-a", "bob"}
    page.click("li:has-text('Merged by force') >> text=Undo")
    page.wait_for_selector("text=The link is undone")
    assert two.person("bob")["distinct_ids"] == ["bob"]
    page.goto(two.url + "/people/ada")
    page.check("[name=distinct_id]")
    page.click("text=Split off")
    page.wait_for_selector("text=somebody else's now")
    assert two.person("anon-a")["distinct_ids"] == ["anon-a"]
    page.click("li:has-text('anon-a') >> text=Redo")
    page.wait_for_selector("text=The link holds again")
    assert two.person("anon-a")["distinct_ids"][0] == "ada"
    page.click("text=Delete this person")
    page.click("text=Delete for good")
    assert page.url.endswith("done=redo"), "not without a second thought"
    page.check("[name=sure]")
    page.click("text=Delete for good")
    page.wait_for_selector("[role=status] >> text=are deleted, for good")
    assert "ada" not in page.locator("tbody").inner_text()


def test_what_a_project_chooses_is_kept_and_a_wrong_choice_is_explained(two: Collector, windows: Windows) -> None:
    page = windows.signed_in(two)
    page.goto(two.url + "/settings")
    page.fill("[name=timezone]", "Europe/Berlin")
    page.fill("[name=origins]", "not a site!")
    page.press("[name=timezone]", "Enter")
    assert "is no site" in page.locator("#wrong-origins").inner_text()
    assert page.input_value("[name=timezone]") == "Europe/Berlin", "as it was typed"
    windows.complaints.clear()  # the browser notes the 400
    page.fill("[name=origins]", "https://shop.example")
    page.focus("[name=signed_identities]")
    page.keyboard.press("Space")
    page.click(".form-foot >> text=Save")
    page.wait_for_selector("[role=status] >> text=Saved")
    assert page.input_value("[name=origins]") == "https://shop.example"
    assert page.is_checked("[name=signed_identities]")
