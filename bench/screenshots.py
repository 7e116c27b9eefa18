"""Every page as a picture, light and dark, on a desktop and on a phone: ``make screenshots``.

Writes docs/screenshots/<page>-<desktop|phone>-<light|dark>.webp, from a demo server of its own on a free port whose
database holds ten weeks of made-up visitors (halyard.py). docs/pages.md shows them all, README some; --only PAGE takes
one page.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode, urljoin, urlsplit

import httpx
from beknown_server.store import open_store
from halyard import history
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "docs/screenshots"
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
KEY, SECRET = "bk_screenshots", "bks_screenshots"
BATCH = 500
SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
TALLEST = 1400  # of a desktop's picture: a timeline has no end
FUNNEL = [
    ("kind", "funnel"),
    *(("event", name) for name in ("$pageview", "Signed up", "Berth booked", "Invoice paid")),
]
# By week: just after midnight, a day that has hardly begun would draw the eye.
TRENDS = [("event", "$pageview"), ("event", "Berth booked"), ("interval", "week"), ("span", "90d")]
FORMULA = [
    ("kind", "trends"),
    *(("event", name) for name in ("Berth booked", "$pageview")),
    *(("math", name) for name in ("total", "dau")),
    ("formula", "A / B * 100"),
    ("interval", "week"),
    ("span", "90d"),
]
PAGES = {
    "site": "/",
    "overview": "/overview",
    "live": "/live",
    "people": "/people",
    "person": "/people/{person}",
    "trends": "/insights?" + urlencode(TRENDS),
    "funnel": "/insights?" + urlencode(FUNNEL),
    "retention": "/insights?kind=retention",
    "lifecycle": "/insights?kind=lifecycle&interval=week&span=90d",
    "stickiness": "/insights?kind=stickiness",
    "paths": "/insights?kind=paths",
    "sessions": "/insights?kind=sessions",
    "formula": "/insights?" + urlencode(FORMULA),
    "behind": "/insights/people?" + urlencode([*FUNNEL, ("step", 2), ("who", "dropped")]),
    "identity": "/identity",
    "warnings": "/warnings",
    "settings": "/settings",
    "login": "/login",
}
OPEN = ("/", "/login")  # without a session


def main() -> None:
    """Fill a database, serve it, take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=PAGES, action="append", help="take only this page; may be repeated")
    parser.add_argument("--target", type=Path, default=TARGET)
    options = parser.parse_args()
    options.target.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder, sync_playwright() as playwright, served(Path(folder)) as (url, person):
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for name in options.only or PAGES:
            for size in SIZES:
                for scheme in ("light", "dark"):
                    place = options.target / f"{name}-{size}-{scheme}.webp"
                    picture(chromium, url + PAGES[name].format(person=person), place, size=size, scheme=scheme)
                    print(place.name, f"{place.stat().st_size / 1024:.0f} kB")
        chromium.close()


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, str]]:
    """Give the address of a server with ten weeks of visitors, and the id of somebody worth showing."""
    database = f"sqlite:///{folder}/beknown.db"
    person = fill(database)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "BEKNOWN_KEY": KEY, "BEKNOWN_SECRET_KEY": SECRET}
    command = [sys.executable, "-m", "beknown_server", "demo", "--port", str(port), "--database", database]
    process = subprocess.Popen(command, env=environment, cwd=folder, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        wait(url)
        yield url, person
    finally:
        process.terminate()
        process.wait(timeout=20)


def fill(database: str) -> str:
    """Store the visitors and some refusals; give the id of the user with the most events."""
    store, now = open_store(database), time.time_ns() // 1_000_000
    store.migrate()
    project = store.create_project("Halyard", KEY, SECRET, now)
    events = history(now)
    for start in range(0, len(events), BATCH):
        store.append(project.id, events[start : start + BATCH], now)
    store.warn(project.id, "junk_id", "undefined", "Call identify only once you know who it is.", now - 7_000_000, 37)
    store.warn(project.id, "no_distinct_id", "quote requested", "Pass the visitor's id with every event.", now, 4)
    store.warnings(project.id)
    known = [event.distinct_id for event in events if "@" in event.distinct_id]
    store.close()
    return max(set(known), key=known.count)


def wait(url: str) -> None:
    """Wait until the server is ready and its columnar copy is made."""
    for _ in range(200):
        try:
            if httpx.get(url + "/healthz/ready").status_code == 200:
                break
        except httpx.TransportError:
            time.sleep(0.1)
    ask = {"headers": {"Authorization": f"Bearer {SECRET}"}, "json": {}, "timeout": 60.0}
    while httpx.post(url + "/api/insights/unique", **ask).status_code == 503:  # type: ignore[arg-type]
        time.sleep(0.5)


def picture(chromium: Browser, url: str, place: Path, *, size: str, scheme: str) -> None:
    """Take one picture; a page of the dashboard is opened with the secret key first."""
    width, height = SIZES[size]
    context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, locale="en-GB")  # type: ignore[arg-type]
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    if urlsplit(url).path not in OPEN:
        page.goto(urljoin(url, "/login"))
        page.fill("[name=secret_key]", SECRET)
        page.click("button.strong")
        page.wait_for_url("**/overview")
    page.goto(url)
    page.wait_for_selector(".waits", state="detached")  # what a page fetches once it is shown
    page.wait_for_timeout(400)  # charts are drawn, the stream has opened
    whole = int(page.evaluate("document.documentElement.scrollHeight")) if size == "desktop" else height
    page.set_viewport_size({"width": width, "height": min(max(whole, height), TALLEST)})
    page.wait_for_timeout(200)
    # Playwright's own takes no WebP, which is a fifth of a PNG.
    taken = context.new_cdp_session(page).send("Page.captureScreenshot", {"format": "webp", "quality": 80})
    place.write_bytes(b64decode(taken["data"]))
    context.close()
    assert not complaints, f"{url}: {complaints}"


if __name__ == "__main__":
    main()
