"""The moments of a page that only Python measures: prerendered, shown, moved within its document, listened to."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from .conftest import KEY, Browser, Collector, Site, until
from .pyscript import ISOLATED, SLOW, folder, library, opened, script
from .test_consent import PRERENDER, WHEN_TOLD, alone

# Without PyScript, which starts no Python before a page is shown.
EARLY = """<script type="module">
import {{ loadPyodide }} from "{loader}";
const pyodide = await loadPyodide();
pyodide.unpackArchive(await (await fetch("{library}")).arrayBuffer(), "wheel");
pyodide.runPython(`
import beknown
import js
beknown.init("{key}", api="{api}", bots="count")
beknown.capture("early")
js.fetch("/next/is/" + ("prerendered" if js.document.prerendering else "loaded"))
`);
</script>"""


def test_a_page_that_is_only_prerendered_stores_and_sends_nothing_until_it_is_shown(
    collector: Collector, site: Site, tmp_path: Path
) -> None:
    loader = f"{folder(collector, 'pyodide.mjs')}/pyodide.mjs"
    site.add("/next", EARLY.format(loader=loader, library=library(collector), key=KEY, api=collector.url))
    with alone(tmp_path / "alone", site.add("/", PRERENDER + WHEN_TOLD)):
        until(lambda: "/next/is/prerendered" in site.asked, "Python in the prerendered page")
        time.sleep(1)
        assert collector.events() == []
        site.add("/go", "")
        collector.wait_for("$pageview")
    assert "/next/is/loaded" not in site.asked
    assert [event["event"] for event in collector.events()] == ["early", "$pageview"]


MOVING = """
import beknown
from pyscript import document, ffi, window

beknown.init("{key}", api="{api}", bots="count")
window.addEventListener("popstate", ffi.create_proxy(print))  # beknown's own listening must not spoil the page's
window.history.pushState(None, "", "/by-python")
beknown.capture("went_on")
document.body.setAttribute("data-told", "yes")
"""


@pytest.mark.parametrize("setting", ["mpy", "py"])
def test_addresses_within_a_document_are_page_views_whoever_goes_there(
    collector: Collector, site: Site, browser: Browser, setting: str
) -> None:
    tags = script(collector, setting, MOVING.format(key=KEY, api=collector.url))
    page = opened(browser, site.add("/", tags), "data-told")
    collector.wait_for("$pageview", 2)
    page.evaluate("history.pushState(null, '', '/pushed')")
    collector.wait_for("$pageview", 3)
    page.evaluate("history.replaceState(null, '', '/replaced'); history.replaceState({same: 1}, '')")
    collector.wait_for("$pageview", 4)
    page.go_back()
    collector.wait_for("$pageview", 5)
    page.wait_for_timeout(300)
    views = collector.events("$pageview")
    assert [[view["properties"]["$pathname"], view["properties"].get("navigation_type")] for view in views] == [
        ["/", None],
        ["/by-python", "pushState"],
        ["/pushed", "pushState"],
        ["/replaced", "replaceState"],
        ["/by-python", "popstate"],
    ]
    collector.wait_for("went_on")
    assert browser.said == []


def test_what_the_page_listens_to_itself_does_not_stop_the_library(
    collector: Collector, site: Site, browser: Browser
) -> None:
    """MicroPython has one proxy of addEventListener, which a call for the document spoils for the window."""
    code = f"""
import beknown
from pyscript import document, ffi
document.addEventListener("click", ffi.create_proxy(print))
beknown.init("{KEY}", api="{collector.url}", bots="count", exceptions=True)
document.body.setAttribute("data-told", "yes")
"""
    opened(browser, site.add("/", script(collector, "mpy", code)), "data-told", 20_000)
    collector.wait_for("$pageview")
    assert browser.said == []


FRAMED = """
import beknown
from pyscript import document
beknown.init("{key}", api="{api}", bots="count")
await beknown.flush()
document.body.setAttribute("data-told", "yes")
"""


@pytest.mark.parametrize("setting", ["mpy", "py", "mpy worker"])
def test_a_frame_of_the_same_origin_is_a_tab_of_its_own_and_leaves_the_pages_to_the_page(
    collector: Collector, site: Site, browser: Browser, setting: str
) -> None:
    tags = script(collector, setting, FRAMED.format(key=KEY, api=collector.url))
    site.add("/frame", tags, headers=ISOLATED)
    page = opened(browser, site.add("/", tags, headers=ISOLATED), "data-told")
    page.evaluate("const frame = document.createElement('iframe'); frame.src = '/frame'; document.body.append(frame)")
    page.frame_locator("iframe").locator("body[data-told]").wait_for(timeout=SLOW)
    page.goto(site.add("/next", tags, headers=ISOLATED))
    page.wait_for_selector("body[data-told]", timeout=SLOW)
    views = {view["properties"]["$pathname"]: view["properties"] for view in collector.wait_for("$pageview", 3)}
    window = {path: about["$window_id"] for path, about in views.items()}
    assert window["/"] == window["/next"] != window["/frame"]
    assert browser.said == []
