"""The library in every setting that PyScript has: MicroPython and Pyodide, each on the main thread and in a worker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from beknown_server import assets, bundle
from playwright.sync_api import Page

from ..client.test_conformance import CASES
from .conftest import KEY, Browser, Collector, Site, tag

SLOW = 60_000  # ms; Pyodide is up after 3 s on a quiet machine
ISOLATED = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}
SETTINGS = ["mpy", "py", "mpy worker", "py worker"]
SUITE = {
    "suite.py": bundle.ROOT / "tests/runtimes/suite.py",
    "test_conformance.py": bundle.ROOT / "tests/client/test_conformance.py",
}

# What a page's author would write. Everything about JavaScript values is in it, since only here are there any.
VISIT = """
import json
import beknown
from pyscript import window

beknown.init("{key}", {init})
anonymous = beknown.get_distinct_id()
proxies = {{"object": window.JSON.parse('{{"a": [1, 2.5, "x"]}}'), "function": window.Object}}
beknown.capture("values", {{"big": 2**40, "nan": float("nan"), "set": {{1}}, "proxies": proxies["object"], "f": proxies["function"]}})
beknown.identify("ada", {{"plan": "pro"}})
beknown.capture("after")
await beknown.flush()
window.document.body.setAttribute("data-told", json.dumps([anonymous, beknown.get_distinct_id(), beknown.get_session_id()]))
"""
CONFORMANCE = """
import json
import suite
window.document.body.setAttribute("data-suite", suite.run('["test_conformance"]'))
"""


def folder(collector: Collector, file: str) -> str:
    """Give the address of the folder in the bundle that has a file."""
    path = next(asset["path"] for asset in assets.manifest()["assets"] if asset["path"].endswith(file))
    return f"{collector.url}/{Path(path).parent}"


def script(collector: Collector, setting: str, code: str, files: dict[str, str] | None = None) -> str:
    """Give PyScript's tags for a piece of Python."""
    kind, _, thread = setting.partition(" ")
    interpreter = {
        "mpy": folder(collector, "/micropython.mjs") + "/micropython.mjs",
        "py": folder(collector, "/pyodide.mjs") + "/pyodide.mjs",
    }[kind]
    laid = {f"{collector.url}/{assets.library_path()}": "./*"} | (files or {})
    config = json.dumps({"interpreter": interpreter, "files": laid})
    core = folder(collector, "/core.js") + "/core.js"
    return (
        f'<script type="module" crossorigin src="{core}"></script>'
        f"<script type='{kind}' {thread} config='{config}'>{code}</script>"
    )


def opened(browser: Browser, url: str, attribute: str) -> Page:
    page = browser.page()
    page.goto(url)
    page.wait_for_selector(f"body[{attribute}]", timeout=SLOW)
    return page


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_visit(collector: Collector, site: Site, browser: Browser, setting: str) -> None:
    files = {}
    for name, path in SUITE.items():
        site.pages["/" + name] = (path.read_text(), {})
        files["/" + name] = "./" + name
    site.pages["/conformance_cases.py"] = (f"import json\nCASES = json.loads({json.dumps(CASES)!r})\n", {})
    files["/conformance_cases.py"] = "./conformance_cases.py"
    code = VISIT.format(key=KEY, init=f'api="{collector.url}", bots="count"') + CONFORMANCE
    url = site.add("/", script(collector, setting, code, files), headers=ISOLATED)
    page = opened(browser, url, "data-suite")

    anonymous, user, session = json.loads(page.get_attribute("body", "data-told") or "")
    assert user == "ada"
    (values,) = collector.wait_for("values")
    (claim,) = collector.wait_for("$identify")
    (after,) = collector.wait_for("after")
    found = values["properties"]
    assert [found["big"], found["nan"], found["set"]] == [2**40, None, [1]]
    assert found["proxies"] == {"a": [1, 2.5, "x"]}
    assert "f" not in found
    assert values["distinct_id"] == claim["properties"]["$anon_distinct_id"] == anonymous
    assert after["properties"]["$session_id"] == session
    assert after["properties"]["$current_url"] == url
    assert page.evaluate("Object.keys(localStorage).filter((name) => name.includes('~'))") == []
    cookie = page.evaluate("document.cookie")
    assert f"bk_{KEY}=1." in cookie
    assert cookie.endswith(".ada")
    assert [text for text in browser.said if "capture().f" not in text] == []

    outcomes = json.loads(page.get_attribute("body", "data-suite") or "")["test_conformance"]
    assert len(outcomes) > len(CASES)
    assert {name: text for name, text in outcomes.items() if text} == {}
