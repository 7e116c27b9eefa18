"""The wheel arrives in a page by every way that a page's Python has: micropip, PyScript's packages, PyScript's files.

micropip comes with Pyodide's CDN, not with its npm package, so PyPI's wheel of the same version is laid beside our
Pyodide here, with its hash in the lock file.
"""

from __future__ import annotations

import hashlib
import json

import pytest
from beknown.wire import VERSION
from beknown_server import bundle
from playwright.sync_api import Page

from .conftest import KEY, Browser, Collector, Site
from .pyscript import SLOW, folder, library, script

CALLS = """
import beknown
beknown.init("{key}", api="{api}", bots="count", pageviews="off")
beknown.capture("installed", {{"version": beknown.__version__}})
await beknown.flush()
import js
js.document.body.setAttribute("data-told", "yes")
"""
# As JupyterLite's kernel and marimo start it: Pyodide by its own loader, no PyScript.
ALONE = """
const python = import("FOLDER/pyodide.mjs").then(({ loadPyodide }) => loadPyodide()).then(async (python) => {
  await python.loadPackage("micropip");
  await python.runPythonAsync(CODE);
});
python.catch((error) => document.body.append(error));
"""


def lay_micropip(page: Page) -> None:
    """Answer for micropip's wheel as Pyodide's CDN does."""
    lock = json.loads((bundle.PYODIDE / "pyodide-lock.json").read_text())
    known = lock["packages"]["micropip"]
    ours = (bundle.ROOT / ".venv/micropip" / known["file_name"]).read_bytes()  # `make .venv/micropip` brings it
    known["sha256"] = hashlib.sha256(ours).hexdigest()
    cors = {"Access-Control-Allow-Origin": "*"}
    page.route("**/pyodide-lock.json", lambda route: route.fulfill(json=lock, headers=cors))
    page.route("**/micropip-*.whl", lambda route: route.fulfill(body=ours, headers=cors))


@pytest.mark.parametrize("way", ["micropip in Pyodide", "micropip, of another version", "packages of PyScript"])
def test_micropip_takes_the_wheel_from_the_server(collector: Collector, site: Site, browser: Browser, way: str) -> None:
    code = CALLS.format(key=KEY, api=collector.url)
    if way == "packages of PyScript":
        url = site.add("/", script(collector, "py", code, packages=[library(collector)]))
    else:
        # A notebook keeps the address of the server as it was; micropip compares it with what is in the wheel.
        wheel = library(collector).replace(VERSION, "0.0.9") if "another" in way else library(collector)
        code = f'import micropip\nawait micropip.install("{wheel}")\n' + code
        url = site.add(
            "/", "", script=ALONE.replace("FOLDER", folder(collector, "pyodide.mjs")).replace("CODE", json.dumps(code))
        )
    page = browser.page()
    page.set_default_timeout(SLOW)
    lay_micropip(page)
    page.goto(url)
    page.wait_for_selector("body[data-told]")  # Playwright lays micropip only while it is asked something
    (event,) = collector.wait_for("installed")
    assert event["properties"]["version"] == VERSION
    assert browser.listen() == []
