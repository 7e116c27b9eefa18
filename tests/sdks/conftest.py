"""Unmodified PostHog SDKs against the real server, over a line that can be told to fail.

Every SDK is the published package at the version of our reference; every event is read back through the JSON API.
"""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from beknown_server.store import open_store

from ..server.conftest import Server

NUMBERS = itertools.count()
PATIENCE = 60.0  # seconds; these machines are shared, and slow is not wrong


NOBODYS = ("unknown_key", "secret_key")


class Line(ThreadingHTTPServer):
    """Hands every request to the server and its answer back, except for the faults that a test asks for.

    ``faults``, used up one for each capture request: "503" (never reaches the server), "lost" (the server stores it,
    the SDK is told 503), "cut" (the server stores it, the connection ends without an answer).
    ``most``: bytes of a capture request's body beyond which it is answered 413, as a proxy in front would.
    """

    daemon_threads = True

    def __init__(self, target: int) -> None:
        super().__init__(("127.0.0.1", 0), Hop)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.target = target
        self.faults: list[str] = []
        self.most: int | None = None
        self.log: list[tuple[str, str, int]] = []  # method, path, status
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def requests(self, path: str) -> list[int]:
        """Give the statuses of the requests whose path begins so, in order."""
        return [status for method, where, status in self.log if where.startswith(path) and method != "OPTIONS"]

    def handle_error(self, *_: object) -> None:
        pass  # a connection that was cut

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class Hop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Line
    CAPTURE = ("/batch", "/e/", "/i/v0/e", "/i/v1/analytics", "/i/v0/ai/batch")

    def pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        captures = self.command == "POST" and self.path.startswith(self.CAPTURE)
        fault = self.server.faults.pop(0) if captures and self.server.faults else ""
        if captures and self.server.most is not None and len(body) > self.server.most:
            self.answer(413, {}, b'{"detail": "too large for the line"}')
        elif fault == "503":
            self.answer(503, {"Retry-After": "1"}, b'{"detail": "not now"}')
        else:
            self.answer(*self.asked(body), fault=fault)

    do_GET = do_POST = do_OPTIONS = pass_on  # noqa: N815

    def asked(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.target, timeout=30)
        upstream.request(self.command, self.path, body, dict(self.headers.items()))
        answer = upstream.getresponse()
        content = answer.read()
        upstream.close()
        kept = {
            name: value for name, value in answer.getheaders() if name.lower() not in ("connection", "date", "server")
        }
        return answer.status, kept, content

    def answer(self, status: int, headers: dict[str, str], content: bytes, fault: str = "") -> None:
        if fault == "lost":
            status, content, headers = 503, b"{}", {"Retry-After": "1"}
        self.server.log.append((self.command, self.path, status if fault != "cut" else 0))
        if fault == "cut":
            self.close_connection = True
            self.connection.close()
            return
        if origin := self.headers.get("Origin"):  # what the server said is among the headers already
            headers.setdefault("Access-Control-Allow-Origin", origin)
            headers.setdefault("Access-Control-Expose-Headers", "Retry-After")
        headers = {name: value for name, value in headers.items() if name.lower() != "content-length"}
        self.send_response_only(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


class Collected:
    """A project of the server, and what the server has of it by its own API."""

    def __init__(self, server: Server) -> None:
        self.server = server
        name = next(NUMBERS)
        self.key, self.secret = f"bk_sdk{name}", f"bks_sdk{name}"
        store = open_store(server.database)
        store.create_project(f"SDK {name}", self.key, self.secret, int(time.time() * 1000))
        store.close()

    def api(self, path: str, **query: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.secret}"}
        answer = httpx.get(f"{self.server.url}/api/{path}", params=query, headers=headers, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def events(self) -> list[dict[str, Any]]:
        return list(self.api("events", limit=1000)["results"])

    def names(self) -> Counter[str]:
        return Counter(row["event"] for row in self.events())

    def one(self, name: str) -> dict[str, Any]:
        (row,) = [row for row in self.events() if row["event"] == name]
        return dict(row)

    def person(self, distinct_id: str) -> dict[str, Any]:
        return dict(self.api(f"persons/{distinct_id}"))

    def warnings(self) -> dict[str, int]:
        """Give what was counted for this project; what named no project is every project's."""
        return {row["code"]: row["count"] for row in self.api("warnings")["results"] if row["code"] not in NOBODYS}

    def until(self, question: Callable[[], Any], what: str) -> Any:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if answer := question():
                return answer
            time.sleep(0.1)
        raise AssertionError(f"waited {PATIENCE:.0f} s in vain for {what}; stored: {self.names()}")


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all: each test has a project of its own."""
    server = Server(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.stop()
    assert "Traceback" not in server.log()


@pytest.fixture
def line(server: Server) -> Iterator[Line]:
    line = Line(server.port)
    yield line
    line.close()


@pytest.fixture
def collected(server: Server) -> Collected:
    return Collected(server)
