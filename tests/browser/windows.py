"""Browser windows on the dashboard and on the demo; each test fails if a console complained.

A file that uses them imports the fixture too, by the name of its function: open_windows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, Playwright

from .conftest import CHROMIUM, FLAGS, KEY, SECRET, Collector


class Windows:
    """Browser windows of several people, and what their consoles complained about."""

    def __init__(self, playwright: Playwright) -> None:
        self.chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        self.complaints: list[str] = []

    def open(self, **choices: Any) -> Page:
        context = self.chromium.new_context(**choices)
        context.set_default_timeout(15_000)
        page = context.new_page()
        page.on("console", lambda message: self._heard(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return page

    def signed_in(self, collector: Collector, **choices: Any) -> Page:
        """Open a window that has logged in with the secret key."""
        page = self.open(**choices)
        page.goto(collector.url + "/login?next=/live")
        page.fill("[name=secret_key]", SECRET)
        page.click("button")
        page.wait_for_url("**/live")
        return page

    def _heard(self, kind: str, text: str) -> None:
        if kind == "error" and "ERR_" not in text:  # a server that is restarted is no fault of the page
            self.complaints.append(text)


@pytest.fixture(name="windows")
def open_windows(playwright: Playwright) -> Iterator[Windows]:
    running = Windows(playwright)
    yield running
    running.chromium.close()
    assert running.complaints == [], "nothing may be forbidden by the policy, and nothing may throw"


def capture(collector: Collector, event: str, distinct_id: str, **properties: Any) -> None:
    body = {"api_key": KEY, "event": event, "distinct_id": distinct_id, "properties": properties}
    assert httpx.post(collector.url + "/e/", json=body).status_code == 200
