"""The numbers in a real Chromium: by clicking, under the policy, with the keyboard, without JavaScript."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import Page

from .conftest import SECRET, Collector, until
from .windows import Windows, capture, open_windows  # noqa: F401

KINDS = ["trends", "funnel", "retention", "lifecycle", "stickiness", "paths", "sessions"]
PAINTED = """() => {
  const canvas = document.querySelector(".chart canvas");
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return new Set(new Uint32Array(data.buffer)).size;
}"""


@pytest.fixture
def visited(collector: Collector) -> Collector:
    """Three visitors saw a page, two signed up, one paid; somebody's junk id was refused."""
    for number in range(3):
        plan = "pro" if number else "free"
        for page in ("/", "/pricing"):
            where = {"$pathname": page, "$session_id": f"session-{number}", "plan": plan}
            capture(collector, "$pageview", f"visitor-{number}", **where)
    for number in range(2):
        capture(collector, "Signed up", f"visitor-{number}")
    capture(collector, "Paid", "visitor-0", amount=39)
    ask = {"headers": {"Authorization": f"Bearer {SECRET}"}, "json": {}}
    until(lambda: httpx.post(collector.url + "/api/insights/unique", **ask).status_code == 200, "the copy to be made")
    return collector


def shown(page: Page, collector: Collector, query: str) -> None:
    page.goto(f"{collector.url}/insights?{query}")
    page.wait_for_selector(".answer")


def test_a_question_is_built_by_clicking_and_is_its_address(visited: Collector, windows: Windows) -> None:
    page = windows.signed_in(visited)
    shown(page, visited, "kind=trends")
    assert page.locator(".totals dd").inner_text() == "3"
    page.select_option("[name=math]", "total")
    page.wait_for_url("**/insights?kind=trends&math=total")
    until(lambda: page.locator(".totals dd").first.inner_text() == "9", "the events in all")
    page.select_option("#f-event1", "Signed up")
    page.select_option("#f-event2", "Paid")  # before the answer to the first has come
    until(lambda: page.locator(".totals dd").all_inner_texts() == ["2", "1"], "both series")
    address = page.url
    other = windows.signed_in(visited)
    other.goto(address)
    assert other.locator(".totals dd").all_inner_texts() == ["2", "1"]
    assert other.locator("#f-event2").input_value() == "Paid"


def test_a_funnel_gets_its_steps_one_by_one(visited: Collector, windows: Windows) -> None:
    page = windows.signed_in(visited)
    shown(page, visited, "kind=funnel&event=$pageview")
    assert page.locator("text=This cannot be answered yet").is_visible()
    page.select_option("#f-event2", "Signed up")
    page.wait_for_selector("#f-event3")
    page.select_option("#f-event3", "Paid")
    until(lambda: page.locator(".funnel-share").all_inner_texts() == ["100%", "67%", "33%"], "three bars")
    widths = page.evaluate("[...document.querySelectorAll('.bar-fill')].map(bar => bar.getBBox().width)")
    assert widths[0] > widths[1] > widths[2] > 0
    page.select_option("#f-event2", "")
    until(lambda: page.locator(".funnel-share").all_inner_texts() == ["100%", "33%"], "the step to be gone")
    page.click(".funnel-note a")
    assert page.locator("h1").inner_text() == "Did not come to step 2, Paid"
    assert page.locator("tbody tr").count() == 2


def test_a_step_gets_a_condition_of_its_own_by_clicking(visited: Collector, windows: Windows) -> None:
    capture(visited, "Signed up", "visitor-9")
    capture(visited, "$pageview", "visitor-8", **{"$pathname": "/"})
    page = windows.signed_in(visited)
    shown(page, visited, "kind=funnel&event=$pageview&event=Signed up")
    counts = page.locator(".funnel-count a")
    until(lambda: [text.split()[0] for text in counts.all_inner_texts()] == ["4", "2"], "the bars")
    assert not page.locator("#f-where1").is_visible()
    page.locator(".step summary").first.focus()
    page.keyboard.press("Enter")
    page.fill("#f-where1", "$pathname")
    page.press("#f-where1", "Tab")
    page.wait_for_url("**where1=%24pathname")
    page.fill("#f-where1_value", "/pricing")
    page.press("#f-where1_value", "Tab")
    page.wait_for_url("**where1_value=%2Fpricing")
    until(lambda: [text.split()[0] for text in counts.all_inner_texts()] == ["3", "2"], "those who saw the prices")
    assert page.locator(".funnel-head strong").first.inner_text() == "Page view where $pathname is /pricing"
    assert page.locator("#f-where1").input_value() == "$pathname", "a condition that is there is shown"
    plain = windows.signed_in(visited, java_script_enabled=False)
    plain.goto(page.url)
    plain.locator(".step summary").nth(1).click()
    plain.fill("#f-where2", "plan")
    plain.select_option("#f-where2_operator", "is_set")
    plain.click("button >> text=Show")
    assert plain.url.endswith("&where1=%24pathname&where1_value=%2Fpricing&where2=plan&where2_operator=is_set")
    assert [text.split()[0] for text in plain.locator(".funnel-count").all_inner_texts()] == ["3", "0"]


@pytest.mark.parametrize("kind", ["trends", "lifecycle"])
def test_a_chart_is_drawn_walked_with_the_keyboard_and_follows_the_theme(
    visited: Collector,
    windows: Windows,
    kind: str,
) -> None:
    page = windows.signed_in(visited, color_scheme="light")
    shown(page, visited, f"kind={kind}")
    page.wait_for_selector(".chart canvas")
    assert page.evaluate(PAINTED) > 10, "more than an empty ground"
    page.focus(".chart")
    page.keyboard.press("ArrowLeft")
    assert "so far" in page.locator(".tip strong").inner_text()
    page.keyboard.press("ArrowLeft")
    assert "so far" not in page.locator(".tip strong").inner_text()
    first = page.screenshot()
    page.click("#theme")
    until(lambda: page.locator(".chart canvas").count() == 1 and page.screenshot() != first, "the other colours")


def test_a_formula_is_built_of_two_series_that_count_differently(visited: Collector, windows: Windows) -> None:
    page = windows.signed_in(visited)
    shown(page, visited, "kind=trends&event=Paid&event=$pageview")
    page.select_option("#f-math1", "sum")
    page.wait_for_selector("#f-of1")
    page.fill("#f-of1", "amount")
    page.press("#f-of1", "Tab")
    until(lambda: page.locator(".totals dt").first.inner_text() == "Paid: sum of amount", "what is counted to be told")
    page.fill("#f-formula", "A / B")
    page.press("#f-formula", "Tab")
    until(lambda: page.locator(".totals dd").all_inner_texts() == ["13"], "39 for three visitors")
    assert page.locator(".chart canvas").is_visible()
    page.fill("#f-formula", "A / Z")
    page.press("#f-formula", "Tab")
    page.wait_for_selector("text=is no formula")


def test_ways_are_drawn_and_stickiness_is_too(visited: Collector, windows: Windows) -> None:
    page = windows.signed_in(visited)
    shown(page, visited, "kind=trends")
    page.click(".tabs >> text=Paths")
    page.wait_for_selector(".flow")
    assert page.locator(".flow-page").all_text_contents() == ["/", "/pricing"]
    assert page.locator(".flow-band").count() == 1
    assert page.locator("tbody tr").first.inner_text().split() == ["1", "/", "/pricing", "3", "3"]
    page.click(".tabs >> text=Stickiness")
    page.wait_for_selector(".chart canvas")
    assert page.locator("tbody tr").first.inner_text().split() == ["1", "day", "3", "100%"]
    page.select_option("#f-mode", "more")
    page.wait_for_url("**mode=more")


def test_the_focus_stays_in_the_form(visited: Collector, windows: Windows) -> None:
    page = windows.signed_in(visited)
    shown(page, visited, "kind=trends")
    page.focus("#f-interval")
    page.select_option("#f-interval", "week")
    page.wait_for_url("**interval=week")
    page.wait_for_selector(".answer th:text('Week')")
    assert page.evaluate("document.activeElement.id") == "f-interval"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_page_of_numbers_fits(visited: Collector, windows: Windows, width: int, scheme: str) -> None:
    long = "x" * 150
    capture(visited, long, "visitor-1", **{long: long})
    page = windows.signed_in(visited, viewport={"width": width, "height": 844}, color_scheme=scheme)
    paths = [f"/insights?kind={kind}&event={long}&event=$pageview&breakdown={long}" for kind in KINDS]
    own = f"where1={long}&where1_value={long}&where2=a&where2_operator=not_icontains"
    paths += [f"/insights?kind={kind}&event={long}&event=$pageview&{own}" for kind in ("trends", "funnel")]
    behind = f"/insights/people?kind=funnel&event={long}&event={long}"
    for path in [*paths, "/identity", behind, f"{behind}&breakdown={long}&breakdown_value={long}"]:
        page.goto(visited.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_without_javascript_the_numbers_are_tables_and_the_form_a_form(
    visited: Collector,
    windows: Windows,
) -> None:
    page = windows.signed_in(visited, java_script_enabled=False)
    page.click("nav >> text=Insights")
    until(lambda: page.locator(".numbers-table tbody tr").count() == 30, "the table")  # a page comes piece by piece
    assert not page.locator(".chart").is_visible()
    page.select_option("[name=math]", "total")
    page.click("button >> text=Show")
    assert page.url.endswith("/insights?kind=trends&math=total")
    assert page.locator(".totals dd").inner_text() == "9"
    page.click(".tabs >> text=Funnel")
    until(lambda: page.locator(".funnel li").count() == 2, "the steps")
    page.click("nav >> text=Identity")
    until(lambda: page.locator(".rung").count() == 4, "the ladder")


def test_csv_is_downloaded(visited: Collector, windows: Windows) -> None:
    page = windows.signed_in(visited)
    shown(page, visited, "kind=trends&math=total")
    with page.expect_download() as download:
        page.click("text=CSV")
    assert download.value.suggested_filename == "trends.csv"
    assert download.value.path().read_text().startswith("date,All events")
