"""The interpreter in a real worker, beyond what the core needs of it."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
from beknown_server import bundle
from beknown_server.runtime import said

from .conftest import Browser, Collector, Site

# Needs the compiler, C's mathematics and an exception's text: none of it is in the part that every page loads.
STRAY = """
import math
def run(text):
    try:
        eval("[].pop()")
    except IndexError as error:
        return text + " %.4f %s" % (math.pow(2.5, 3.5) + eval("1 + 1"), error)
"""
WORKER = """
import { startPython } from "LOADER";
onmessage = async ({ data: [base, source] }) => {
  const files = { "/lib/stray.py": new TextEncoder().encode(source) };
  postMessage((await startPython(base, files, "stray", "run")).handle("\\u00e9\\ud83d\\ude00"));
};
"""
START = """
([script, base, source]) => new Promise((answer, failed) => {
  const worker = new Worker(URL.createObjectURL(new Blob([script])));
  worker.onmessage = ({ data }) => answer(data);
  worker.onerror = (event) => failed(Error(event.message));
  worker.postMessage([base, source]);
})
"""


def test_what_was_cut_from_the_runtime_is_fetched_when_it_is_called(
    collector: Collector, site: Site, browser: Browser, tmp_path: Path
) -> None:
    source = tmp_path / "worker.js"
    source.write_text(WORKER.replace("LOADER", str(bundle.STATIC / "micropython.js")))
    script = said(bundle.COMMANDS / "esbuild", source, "--bundle", "--format=iife")
    version = json.loads((bundle.ROOT / "build/bundle/manifest.json").read_text())["version"]
    page = browser.page()
    page.goto(site.add("/", ""))
    assert httpx.get(f"{collector.url}/v/{version}/micropython.wasm").status_code == 200
    answer = page.evaluate(START, [script, f"{collector.url}/v/{version}", STRAY])
    assert answer == "\u00e9\U0001f600 26.7053 pop from empty list"
