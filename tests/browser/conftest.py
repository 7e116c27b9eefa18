"""A real Chromium and a real Firefox, a real collector process, and sites that embed the tag as customers do.

Only loopback addresses are contacted. Each test has a project database of its own and a browser profile of its own;
everything started here is stopped here, by its process id.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

import httpx
import pytest
from playwright.sync_api import Browser as SharedChromium
from playwright.sync_api import BrowserContext, Page, Playwright

from ..ports import free_port
from .firefox import Firefox, FirefoxBrowser
from .forked import Forked, Nursery
from .line import Line
from .patience import PATIENCE, until

KEY = "bk_browsertests"
SECRET = "bks_browsertests_secret"
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
NURSERY = Nursery()
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()


class Collector:
    """One `beknown` server process and what its JSON API tells."""

    def __init__(self, folder: Path, command: str = "serve") -> None:
        self.folder = folder
        self.command = command
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: Forked | None = None
        self.start()

    def start(self) -> None:
        database = f"sqlite:///{self.folder / 'beknown.db'}"
        arguments = [self.command, "--port", str(self.port), "--database", database]
        environment = {"BEKNOWN_KEY": KEY, "BEKNOWN_SECRET_KEY": SECRET, "PATH": "/usr/bin:/bin"}
        log = self.folder / "server.log"
        log.touch()
        self.process = NURSERY.start(arguments, folder=self.folder, log=log, environment=environment)
        until(self.is_ready, f"the collector to start; it says: {self.log()[-2000:]}")

    def is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log()
        try:
            return httpx.get(self.url + "/healthz/ready").status_code == 200
        except httpx.TransportError:
            return False

    def log(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=20)

    def end(self) -> None:
        """End it and its workers at once: a graceful stop takes most of a second, and is tested elsewhere."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def api(self, path: str, **query: Any) -> Any:
        answer = httpx.get(
            self.url + "/api/" + path, params=query, headers={"Authorization": f"Bearer {SECRET}"}, timeout=30
        )
        assert answer.status_code == 200, (path, answer.status_code, answer.text[:500])
        return answer.json()

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """Give what is stored, oldest call first."""
        rows = self.api("events", limit=1000)["results"]
        rows.sort(key=lambda row: (row["timestamp"], row["uuid"]))
        return [row for row in rows if name in (None, row["event"])]

    def wait_for(self, name: str, count: int = 1) -> list[dict[str, Any]]:
        """Give the events of a name once at least ``count`` have arrived."""
        return until(
            lambda: found if len(found := self.events(name)) >= count else None,
            f"{count} x {name}; stored: {[row['event'] for row in self.events()]}",
        )

    def person(self, distinct_id: str) -> dict[str, Any]:
        return self.api(f"persons/{distinct_id}")


class Site:
    """A customer's website on an origin of its own: pages are added by path, with the headers they need."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[str, dict[str, str]]] = {}
        self.asked: list[str] = []  # paths, in the order of arrival
        self.told: list[dict[str, str]] = []  # the headers of each, their names in lower case
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                site.told.append({name.lower(): value for name, value in self.headers.items()})
                body, headers = site.pages.get(self.path.split("?")[0], ("", {}))
                content = body.encode()
                self.send_response(200 if body else 404)
                self.send_header("Content-Length", str(len(content)))
                for name, value in ({"Content-Type": "text/html; charset=utf-8"} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.elsewhere = self.url.replace("127.0.0.1", "localhost")  # the same pages as another site
        self.thread = Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def add(
        self, path: str, tag: str, *, script: str = "", title: str = "", headers: dict[str, str] | None = None
    ) -> str:
        html = f"<!doctype html><html><head><title>{title or path}</title>{tag}</head><body><h1>{path}</h1>"
        self.pages[path] = (html + (f"<script>{script}</script>" if script else "") + "</body></html>", headers or {})
        return self.url + path

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class Browser:
    """One person's Chromium: one that can be closed and opened again, or a fresh profile in one that others share.

    ``begin`` gives its profile, opened.
    """

    def __init__(self, begin: Callable[[], BrowserContext]) -> None:
        self.begin = begin
        self.context: BrowserContext | None = None
        self.said: list[str] = []  # what beknown wrote to the console
        self.errors: list[str] = []  # exceptions that reached a page
        self.open()

    def open(self) -> None:
        self.context = self.begin()
        self.context.set_default_timeout(PATIENCE * 1000)

    def page(self) -> Page:
        assert self.context is not None
        page = self.context.new_page()
        page.on("console", lambda message: self.said.append(message.text) if "[beknown]" in message.text else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        return page

    def listen(self) -> list[str]:
        """Give what beknown has said by now. Playwright hands on what pages say only while it is asked something."""
        assert self.context is not None
        self.context.pages[-1].wait_for_timeout(20)
        return self.said

    def cookies(self) -> list[dict[str, str]]:
        """Give each cookie's name, value and domain."""
        assert self.context is not None
        return [{name: str(each[name]) for name in ("name", "value", "domain")} for each in self.context.cookies()]

    def close(self) -> None:
        if self.context is not None:
            self.context.close()
            self.context = None


AnyBrowser = Browser | FirefoxBrowser
Used = TypeVar("Used", Browser, FirefoxBrowser, AnyBrowser)


def own_browser(playwright: Playwright, profile: Path, *flags: str) -> Browser:
    """Give a Chromium of one's own, with this profile and more flags: starting one costs two seconds of a processor."""
    launch = partial(playwright.chromium.launch_persistent_context, executable_path=CHROMIUM, headless=True)
    return Browser(partial(launch, str(profile), args=[*FLAGS, *flags]))


def tag(collector: Collector | Line, **attributes: str) -> str:
    """Give the tag as `beknown snippet` prints it, with more data- attributes. Tests are bots that want to count."""
    attributes.setdefault("bots", "count")
    more = "".join(f' data-{name.replace("_", "-")}="{value}"' for name, value in attributes.items() if name != "key")
    return f'<script async src="{collector.url}/beknown.js" data-key="{attributes.get("key", KEY)}"{more}></script>'


@pytest.fixture(scope="session", autouse=True)
def _nursery() -> Iterator[None]:
    yield
    NURSERY.close()


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    running = Collector(tmp_path)
    yield running
    running.end()


@pytest.fixture
def site() -> Iterator[Site]:
    running = Site()
    yield running
    running.close()


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Iterator[SharedChromium]:
    """One Chromium for all that need not restart it; each test has a profile of its own in it."""
    running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, headless=True)
    yield running
    running.close()


def used(running: Used) -> Iterator[Used]:
    """Give a browser to a test, then close it: no exception may have reached a page."""
    yield running
    running.close()
    assert running.errors == []


@pytest.fixture
def browser(chromium: SharedChromium) -> Iterator[Browser]:
    yield from used(Browser(chromium.new_context))


@pytest.fixture
def lasting_chromium(playwright: Playwright, tmp_path: Path) -> Iterator[Browser]:
    """A Chromium that can be closed and opened again."""
    yield from used(own_browser(playwright, tmp_path / "profile"))


@contextmanager
def another_browser(chromium: SharedChromium) -> Iterator[Browser]:
    """A second person's browser."""
    running = Browser(chromium.new_context)
    try:
        yield running
    finally:
        running.close()


@pytest.fixture
def line(collector: Collector) -> Iterator[Line]:
    """The collector behind a line that can fail; ``tag(line)`` embeds it from there."""
    running = Line(collector.port)
    yield running
    running.close()


@pytest.fixture(scope="session")
def firefox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    """One Firefox for all that need not restart it."""
    running = Firefox(tmp_path_factory.mktemp("firefox"))
    yield running
    running.close()


@pytest.fixture(params=["chromium", "firefox"])
def any_browser(request: pytest.FixtureRequest) -> Iterator[AnyBrowser]:
    """Each of the browsers in turn, fresh for this test."""
    if request.param == "chromium":
        running: AnyBrowser = Browser(request.getfixturevalue("chromium").new_context)
    else:
        running = FirefoxBrowser(request.getfixturevalue("firefox"), is_shared=True)
    yield from used(running)


@pytest.fixture(params=["chromium", "firefox"])
def lasting_browser(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyBrowser]:
    """Each of the browsers in turn, with a profile of its own: it can be closed and opened again."""
    if request.param == "chromium":
        running: AnyBrowser = own_browser(request.getfixturevalue("playwright"), tmp_path / "profile")
    else:
        running = FirefoxBrowser(Firefox(tmp_path / "profile"), is_shared=False)
    yield from used(running)


@pytest.fixture(params=["chromium", "firefox"])
def named_browser(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyBrowser]:
    """Each of the browsers in turn, for which every name is this machine."""
    if request.param == "chromium":
        rules = "--host-resolver-rules=MAP * 127.0.0.1"
        yield from used(own_browser(request.getfixturevalue("playwright"), tmp_path / "named", rules))
    else:
        yield from used(FirefoxBrowser(request.getfixturevalue("firefox"), is_shared=True))  # it resolves all names so
