"""Collectors for the client to speak to: real ones, bad-tempered ones, and one that can be asked what it got."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import pytest

from ..ports import free_port
from ..server.conftest import Server

KEY = "bk_tests"
T = TypeVar("T")


class Recorder(ThreadingHTTPServer):
    """Answers 200, or as it is told, and keeps every request's body and headers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Recording)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.times: list[float] = []  # of every request, in monotonic seconds
        self.answers: list[tuple[int, dict[str, Any] | bytes]] = []  # used up first
        self.also: dict[str, str] = {}  # headers of those
        self.hangs = threading.Event()
        self.goes_on = threading.Event()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for body in self.bodies for event in body["batch"]]

    def event(self, name: str) -> dict[str, Any]:
        return next(event for event in self.events if event["event"] == name)

    def handle_error(self, *_: object) -> None:
        pass  # a client that has given up


class Recording(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer waits 40 ms for the client's delayed ACK
    server: Recorder

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            content = gzip.decompress(content)
        if self.server.hangs.is_set():
            self.server.goes_on.wait(20)
        self.server.headers.append(dict(self.headers.items()))
        self.server.paths.append(self.path)
        self.server.times.append(time.monotonic())
        also = self.server.also if self.server.answers else {}
        status, said = self.server.answers.pop(0) if self.server.answers else (200, {"status": 1})
        if status == 200:
            self.server.bodies.append(json.loads(content))
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_response(status)
        for name, value in also.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Process:
    """collector.py as a process: it can be killed, and what it stored can be read."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.file = folder / f"stored-{seed}"
        self.seed = seed
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        script = Path(__file__).with_name("collector.py")
        self.process = subprocess.Popen([sys.executable, script, str(self.port), self.file, str(self.seed)])
        until(self.is_up, "the collector to start")

    def is_up(self) -> bool:
        with socket.socket() as asking:
            return asking.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stored(self) -> Counter[str]:
        """Give each uuid that was stored, with how often it was: once, as collectors store."""
        return Counter(self.in_order())

    def in_order(self) -> list[str]:
        """Give the uuids in the order in which they came first."""
        return [line for line in self.file.read_text().split() if not line.startswith("+")]

    def moods(self) -> Counter[str]:
        """Give how often it was in which mood."""
        return Counter(self.file.with_suffix(".moods").read_text().splitlines())

    def repeats(self) -> int:
        return self.file.read_text().count("+")


def until(question: Callable[[], Any], what: str, patience: float = 20.0) -> Any:
    """Ask until the answer is true, and give it."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if answer := question():
            return answer
        time.sleep(0.02)
    raise AssertionError(f"waited {patience:.0f} s in vain: {what}")


def in_a_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a thread of its own: in the main one Playwright's loop may be running."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    server = Recorder()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.goes_on.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Callable[[int], Process]]:
    started: list[Process] = []

    def start(seed: int = 0) -> Process:
        process = Process(tmp_path, seed)
        started.append(process)
        process.start()
        return process

    yield start
    for process in started:
        process.kill()


@pytest.fixture
def beknown(tmp_path: Path) -> Iterator[Server]:
    """A ``beknown serve`` process."""
    server = Server(tmp_path)
    server.start()
    yield server
    if server.process is not None and server.process.poll() is None:
        server.kill()
