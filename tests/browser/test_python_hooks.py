"""The page's own Python functions, before_send() and on(), where the page's tag is the brain."""

from __future__ import annotations

import pytest

from .conftest import KEY, Browser, Collector, Site, tag
from .pyscript import ISOLATED, opened, script

HOOKED = """
import beknown
from pyscript import document

class When:
    def isoformat(self):
        return "2026-11-29"

told = []
beknown.init("{key}")
beknown.before_send(lambda event: None if event["event"] == "secret" else dict(
    event, properties=dict(event["properties"], edited=2**40, ids=[1234567890123456789], on=When(), f=len)
))
beknown.on("capture", lambda event: told.append(event["event"]))
beknown.on("identify", lambda id: told.append(id) or told)
await beknown.ready()
beknown.capture("seen", {{"rows": [1, 2.5]}})
beknown.capture("secret")
beknown.identify("ada")
await beknown.flush()
document.body.setAttribute("data-told", ",".join([name for name in told if name[:1] != "$"]))
"""


@pytest.mark.parametrize("setting", ["mpy", "py"])
def test_the_tag_asks_the_pages_python_and_tells_it(
    collector: Collector, site: Site, browser: Browser, setting: str
) -> None:
    code = HOOKED.format(key=KEY)
    page = opened(browser, site.add("/", tag(collector) + script(collector, setting, code)), "data-told")
    (seen,) = collector.wait_for("seen")
    found = seen["properties"]
    assert [found["edited"], found["ids"], found["rows"]] == [2**40, ["1234567890123456789"], [1, 2.5]]
    assert [found["on"], "f" in found] == ["2026-11-29", False]
    assert collector.events("secret") == []
    assert sorted((page.get_attribute("body", "data-told") or "").split(",")) == ["ada", "seen"]
    assert [text for text in browser.listen() if "before_send().properties.f" not in text] == []


@pytest.mark.parametrize("setting", ["mpy worker", "py worker"])
def test_from_a_worker_the_tag_cannot_ask_and_loses_no_event(
    collector: Collector, site: Site, browser: Browser, setting: str
) -> None:
    tags = tag(collector) + script(collector, setting, HOOKED.format(key=KEY))
    page = opened(browser, site.add("/", tags, headers=ISOLATED), "data-told")
    page.evaluate("beknown.capture('in_page')")
    (seen,) = collector.wait_for("seen")
    assert "edited" not in seen["properties"]
    collector.wait_for("in_page")
    assert len(collector.wait_for("secret")) == 1
    (said,) = browser.listen()
    assert "before_send() cannot reach the page's tag from a worker; call it in the page." in said
