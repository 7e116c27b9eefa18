"""Back to a page that the browser has kept whole (bfcache): its view counts, and who came is who they are now."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from playwright.sync_api import Playwright

from .conftest import CHROMIUM, FLAGS, Browser, Collector, Site, tag

BACK = "addEventListener('pageshow', (shown) => { if (shown.persisted) beknown.capture('back') })"


def test_back_to_a_cached_page_is_a_view_of_whom_the_visitor_has_become_since(
    collector: Collector, site: Site, playwright: Playwright, tmp_path: Path
) -> None:
    home, account = site.add("/", tag(collector), script=BACK), site.add("/account", tag(collector))
    browser = Browser(
        partial(
            playwright.chromium.launch_persistent_context,
            str(tmp_path / "profile"),
            executable_path=CHROMIUM,
            headless=True,
            args=FLAGS,
            ignore_default_args=["--disable-back-forward-cache"],
        )
    )
    try:
        page = browser.page()
        page.goto(home)
        page.evaluate("beknown.ready")
        visitor = page.evaluate("beknown.get_distinct_id()")
        page.goto(account)
        page.evaluate("beknown.ready")
        page.evaluate("beknown.identify('ada'); beknown.flush()")
        page.evaluate("setTimeout(() => history.back()); 0")  # go_back() waits for a load event, which never comes
        collector.wait_for("back")
        collector.wait_for("$pageview", 3)
    finally:
        browser.close()
    events = [(event["event"], event["distinct_id"]) for event in collector.events()]
    assert [id for name, id in events if name == "$pageview"] == [visitor, visitor, "ada"]
    assert ("back", "ada") in events
    told = [event["properties"] for event in collector.events()]
    assert len({each["$window_id"] for each in told}) == len({each["$session_id"] for each in told}) == 1
    assert browser.errors == []
