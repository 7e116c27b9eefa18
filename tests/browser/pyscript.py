"""PyScript's tags for a piece of Python, all of it served by the collector."""

from __future__ import annotations

import json
from pathlib import Path

from beknown_server import assets
from playwright.sync_api import Page

from .conftest import Browser, Collector

SLOW = 120_000  # ms; Pyodide is up after 3 s on a quiet machine
ISOLATED = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}
SETTINGS = ["mpy", "py", "mpy worker", "py worker"]
LOADERS = {"mpy": "micropython.mjs", "py": "pyodide.mjs"}


def folder(collector: Collector, file: str) -> str:
    """Give the address of the folder in the bundle that has a file."""
    path = next(asset["path"] for asset in assets.manifest()["assets"] if asset["path"].endswith("/" + file))
    return f"{collector.url}/{Path(path).parent}"


def library(collector: Collector) -> str:
    """Give the address of the library's wheel."""
    return f"{collector.url}/{assets.library_path()}"


def script(collector: Collector, setting: str, code: str, files: dict[str, str] | None = None, **config: object) -> str:
    """Give PyScript's tags for a piece of Python; the library is among its files, unless ``packages`` brings it."""
    kind, _, thread = setting.partition(" ")
    loader = LOADERS[kind]
    laid = ({} if "packages" in config else {library(collector): "./*"}) | (files or {})
    config = {"interpreter": f"{folder(collector, loader)}/{loader}", "files": laid} | config
    return (
        f'<script type="module" crossorigin src="{folder(collector, "core.js")}/core.js"></script>'
        f"<script type='{kind}' {thread} config='{json.dumps(config)}'>{code}</script>"
    )


def opened(browser: Browser, url: str, attribute: str, patience: float = SLOW) -> Page:
    """Open a page and wait until its Python has set an attribute of the body."""
    page = browser.page()
    page.goto(url)
    page.wait_for_selector(f"body[{attribute}]", timeout=patience)
    return page
