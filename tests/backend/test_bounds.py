"""Calls and the end of a program have a bound, whatever a collector or a name server does."""

from __future__ import annotations

import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from beknown.backend import AsyncClient, Client

from .conftest import KEY, Recorder, in_a_loop

PATIENCE = 10  # seconds; without a bound each of these takes 40 at least


class Dripping:
    """Answers a byte each 100 ms, of a header (or a body) that has no end: no single read takes long."""

    begins = b"HTTP/1.1 200 OK\r\nX-Slow: "

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while not self._is_over.is_set():
            connection, _ = self._listener.accept()
            self._threads.append(threading.Thread(target=self._answer, args=(connection,)))
            self._threads[-1].start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.sendall(self.begins)
            until = time.monotonic() + 40
            while time.monotonic() < until and not self._is_over.wait(0.1):
                connection.sendall(b"a")

    def stop(self) -> None:
        self._is_over.set()
        socket.create_connection(self._listener.getsockname()).close()
        for thread in self._threads:
            thread.join()
        self._listener.close()


@pytest.fixture
def dripping() -> Iterator[Dripping]:
    server = Dripping()
    yield server
    server.stop()


def took(action: Callable[[], object]) -> float:
    began = time.monotonic()
    action()
    return time.monotonic() - began


def run(source: str, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(source), url, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30)


def test_a_call_in_sync_mode_and_a_flush_end_in_time(dripping: Dripping) -> None:
    client = Client(KEY, dripping.url, sync_mode=True, timeout=0.5)
    assert took(lambda: client.capture("u", "x")) < PATIENCE
    assert took(lambda: client.flush(0.5)) < PATIENCE
    assert took(lambda: client.close(0.5)) < PATIENCE


def test_an_async_client_gives_an_answer_up_in_time(dripping: Dripping, recorder: Recorder) -> None:
    async def send() -> None:
        async with AsyncClient(KEY, dripping.url, timeout=0.3, retry_wait=0.1) as client:
            client.capture("u", "x")
            assert not await client.flush(1)
            client.host = recorder.url
            assert await client.flush()

    assert took(lambda: in_a_loop(send())) < PATIENCE
    assert [event["event"] for event in recorder.events] == ["x"]


NAMELESS = b"Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x08\0\0\0\0\0\x03"  # a file name follows: nothing to inflate


@pytest.mark.parametrize("rest", [b"\r\n", NAMELESS], ids=["plain", "gzip"])
def test_an_answer_whose_body_has_no_end_counts_by_its_status(dripping: Dripping, rest: bytes) -> None:
    dripping.begins = b"HTTP/1.1 200 OK\r\n" + rest
    with Client(KEY, dripping.url, timeout=0.5) as client:
        client.capture("u", "x")
        assert client.flush(PATIENCE)

    async def send() -> bool:
        async with AsyncClient(KEY, dripping.url, timeout=0.5) as client:
            client.capture("u", "x")
            return await client.flush(PATIENCE)

    assert in_a_loop(send())


NOWHERE = "import socket, time; socket.getaddrinfo = lambda *_, **__: time.sleep(40)\n"
BLOCKING = """
import sys, time
from beknown.backend import Client
client = Client("bk_tests", sys.argv[1], sync_mode=len(sys.argv) > 2, timeout=1.0, exit_timeout=1.0)
client.capture("u", "x")
"""
# Python 3.12 and later start no threads at the end; handlers run in the reverse order.
ASYNC = """
import asyncio, atexit, sys, threading
from beknown.backend import AsyncClient
client = AsyncClient("bk_tests", sys.argv[1], exit_timeout=1.0, spool=sys.argv[2] if len(sys.argv) > 2 else None)
def refuse(self):
    raise RuntimeError("can't create new thread at interpreter shutdown")
atexit.register(setattr, threading.Thread, "start", refuse)
async def capture(): client.capture("u", "x")
asyncio.run(capture())
"""


@pytest.mark.parametrize(
    ("program", "mode"),
    [
        (BLOCKING, []),
        (BLOCKING, ["sync_mode"]),
        (NOWHERE + BLOCKING, []),
        (NOWHERE + BLOCKING, ["sync_mode"]),
        (ASYNC, []),
    ],
    ids=["drips", "drips, in sync mode", "never resolves", "never resolves, in sync mode", "drips, async"],
)
def test_a_program_ends_in_time_and_says_what_is_lost(dripping: Dripping, program: str, mode: list[str]) -> None:
    began = time.monotonic()
    done = run(program, dripping.url, *mode)
    assert time.monotonic() - began < PATIENCE
    assert done.returncode == 0
    assert "1 event(s) could not be delivered" in done.stderr


def test_an_async_client_with_a_spool_that_nobody_closed_has_delivered(recorder: Recorder, tmp_path: Path) -> None:
    done = run(ASYNC, recorder.url, str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert [event["event"] for event in recorder.events] == ["x"]
    assert [path.read_text() for path in tmp_path.glob("*.jsonl")] == [""]


def test_or_leaves_it_for_the_next_start(dripping: Dripping, recorder: Recorder, tmp_path: Path) -> None:
    assert "1 event(s) wait in" in run(ASYNC, dripping.url, str(tmp_path)).stderr
    [left] = tmp_path.glob("*.jsonl")
    assert '"event":"x"' in left.read_text()


GIVEN_UP = """
import asyncio, sys
from beknown.backend import AsyncClient
client = AsyncClient("bk_tests", sys.argv[1], exit_timeout=1.0, retry_wait=60)
async def capture():
    client.capture("u", "x")
    try:
        await asyncio.wait_for(client.close(20), 0.5)
    except TimeoutError:
        print("given up")
asyncio.run(capture())
"""


def test_what_an_async_client_still_has_whose_end_was_cancelled_is_delivered(recorder: Recorder) -> None:
    recorder.answers = [(503, {})]
    done = run(GIVEN_UP, recorder.url)
    assert (done.returncode, done.stdout, done.stderr) == (0, "given up\n", "")
    assert [event["event"] for event in recorder.events] == ["x"]


def test_or_it_is_said_to_be_lost(dripping: Dripping) -> None:
    done = run(GIVEN_UP, dripping.url)
    assert (done.returncode, done.stdout) == (0, "given up\n")
    assert "1 event(s) could not be delivered" in done.stderr


def test_an_async_client_that_is_closed_leaves_no_thread_behind(recorder: Recorder) -> None:
    def ours() -> set[threading.Thread]:
        return {thread for thread in threading.enumerate() if thread.name == "beknown"}

    before = ours()

    async def send() -> None:
        async with AsyncClient(KEY, recorder.url) as client:
            client.capture("u", "x")

    in_a_loop(send())
    assert ours() <= before
