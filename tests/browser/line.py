"""The line between a page and the collector: it can hold requests, refuse them, drop them, and it knows what passed.

Why not Playwright's routes: they are Chromium's alone, and a worker's requests are only partly among them.

Rules:
- A fault is named by a part of the path it strikes (``"/v/"``, ``".wasm"``, ``"/run"``).
- Everything else passes unchanged, headers included, so that the page sees the collector as it is.
"""

from __future__ import annotations

import http.client
import json
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

DROPPED = 0  # as a fault's status: the connection is closed without an answer


class Line:
    """A collector's other address. ``faults``: part of a path -> the status it is refused with, or DROPPED."""

    def __init__(self, port: int) -> None:
        self.behind = port
        self.faults: dict[str, int] = {}
        self.retry_after = ""  # seconds, as a header of every refusal
        self.held: tuple[str, ...] = ()
        self.released = Event()
        self.requests: list[tuple[str, str]] = []  # (method, path), in the order of arrival
        self.bodies: list[tuple[str, Any]] = []  # (path, JSON) of what was posted and not preflight
        self.shares: list[float] = []  # of each of these bodies, the bytes that travelled
        line = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                line.serve(self)

            do_POST = do_OPTIONS = do_GET  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A page that was left closes its connections; that is the subject here, not a fault."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def hold(self, *parts: str) -> None:
        """Let requests whose path has one of these parts wait until ``release``."""
        self.released.clear()
        self.held = parts

    def release(self) -> None:
        self.held = ()
        self.released.set()

    def asked(self, part: str) -> int:
        """Count the requests (not preflights) whose path has this part."""
        return sum(part in path for method, path in self.requests if method != "OPTIONS")

    def uuids(self) -> list[str]:
        """Give the ids of all events and calls that were posted, as often as they were."""
        found: list[str] = []
        for path, body in self.bodies:
            found += [id for id, _ in body["calls"]] if "/run" in path else [each["uuid"] for each in body["batch"]]
        return found

    def serve(self, asked: BaseHTTPRequestHandler) -> None:
        body = asked.rfile.read(int(asked.headers.get("Content-Length", 0)))
        self.requests.append((asked.command, asked.path))
        if asked.command == "POST":
            plain = zlib.decompress(body, 31) if body[:2] == b"\x1f\x8b" else body
            self.bodies.append((asked.path, json.loads(plain)))
            self.shares.append(len(body) / len(plain))
        if any(part in asked.path for part in self.held):
            self.released.wait(60)
        fault = next((self.faults[part] for part in self.faults if part in asked.path), None)
        if fault == DROPPED:
            asked.close_connection = True
        elif fault is not None:
            self.refuse(asked, fault)
        else:
            self.pass_on(asked, body)

    def refuse(self, asked: BaseHTTPRequestHandler, status: int) -> None:
        asked.send_response(status)
        asked.send_header("Access-Control-Allow-Origin", asked.headers.get("Origin", "*"))
        asked.send_header("Access-Control-Allow-Credentials", "true")
        asked.send_header("Access-Control-Expose-Headers", "Retry-After")
        if self.retry_after:
            asked.send_header("Retry-After", self.retry_after)
        content = b"<!doctype html>" if status == 200 else b"{}"  # a site that answers everything with its own page
        asked.send_header("Content-Length", str(len(content)))
        asked.end_headers()
        asked.wfile.write(content)

    def pass_on(self, asked: BaseHTTPRequestHandler, body: bytes) -> None:
        behind = http.client.HTTPConnection("127.0.0.1", self.behind, timeout=30)
        passed = {name: value for name, value in asked.headers.items() if name.lower() != "connection"}
        behind.request(asked.command, asked.path, body=body, headers=passed)
        answer = behind.getresponse()
        content = answer.read()
        behind.close()
        asked.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "content-length", "transfer-encoding", "date", "server"):
                asked.send_header(name, value)
        asked.send_header("Content-Length", str(len(content)))
        asked.end_headers()
        asked.wfile.write(content)

    def close(self) -> None:
        self.release()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
