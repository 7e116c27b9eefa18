"""The thread that forwards: it goes on, whatever a collector answers and whatever ails the store."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from beknown_server import forward
from beknown_server.errors import TooBusy
from beknown_server.forward import Forwarder
from beknown_server.store import Project, Store

from ..backend.conftest import Recorder, in_a_loop, recorder, until  # noqa: F401
from .conftest import BOTH_ENGINES, KEY, NOW, event

Begin = Callable[[], Forwarder]


@pytest.fixture
def begin(store: Store, recorder: Recorder) -> Iterator[Begin]:  # noqa: F811
    """Begin to forward to the recorder; ended with the test."""
    begun: list[Forwarder] = []

    def start() -> Forwarder:
        begun.append(Forwarder(store, recorder.url, "", holder="me", clock=lambda: NOW))
        begun[-1].start()
        return begun[-1]

    yield start
    for one in begun:
        one.stop()


def stored(store: Store, project: Project, count: int = 1) -> None:
    store.append(project.id, [event("x", f"user-{number}", NOW + number) for number in range(count)], NOW)


def failing(fault: Exception, method: Callable[..., Any], times: int = 1) -> Callable[..., Any]:
    """Give a method that fails a number of times first."""
    left = [fault] * times

    def instead(*some: Any, **more: Any) -> Any:
        if left:
            raise left.pop()
        return method(*some, **more)

    return instead


@BOTH_ENGINES
def test_it_survives_a_store_that_is_ill(
    store: Store,
    project: Project,
    recorder: Recorder,  # noqa: F811
    begin: Begin,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(store, "recent", failing(RuntimeError("ill"), store.recent))
    begin()
    stored(store, project, 3)
    until(lambda: len(recorder.events) == 3, "the events")


@pytest.mark.parametrize("fault", [TooBusy("queue_full", "too much waits."), RuntimeError("ill")])
def test_a_store_that_is_busy_when_it_begins_is_asked_again(
    store: Store,
    project: Project,
    recorder: Recorder,  # noqa: F811
    begin: Begin,
    monkeypatch: pytest.MonkeyPatch,
    fault: Exception,
) -> None:
    monkeypatch.setattr(store, "projects", failing(fault, store.projects, 2))
    begin()
    stored(store, project)
    until(lambda: recorder.events, "the event")


def test_a_project_that_cannot_be_forwarded_is_in_no_others_way(
    store: Store,
    project: Project,
    recorder: Recorder,  # noqa: F811
    begin: Begin,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = store.create_project("Others", "bk_other", "bks_other", NOW)
    lease = store.lease

    def ill(project_id: int, *some: Any, **more: Any) -> int | None:
        if project_id == project.id:
            raise RuntimeError("ill")
        return lease(project_id, *some, **more)

    monkeypatch.setattr(store, "lease", ill)
    begin()
    stored(store, project)
    stored(store, other)
    until(lambda: recorder.events, "the other's event")
    assert {body["api_key"] for body in recorder.bodies} == {"bk_other"}


@pytest.mark.parametrize(
    ("status", "said", "also"),
    [
        (200, {"skipped": [{"index": None, "reason": ["odd"]}]}, {}),
        (200, b"[" * 200_000, {}),
        (200, b"{}", {"Content-Encoding": "gzip"}),
        (429, {}, {"Retry-After": "\u00b2"}),
    ],
)
def test_whatever_a_collector_answers_the_next_event_goes_on(
    store: Store,
    project: Project,
    recorder: Recorder,  # noqa: F811
    begin: Begin,
    status: int,
    said: Any,
    also: dict[str, str],
) -> None:
    recorder.answers, recorder.also = [(status, said)], also
    begin()
    stored(store, project)
    until(lambda: recorder.paths, "the first request")
    stored(store, project)
    until(lambda: len(recorder.events) == 2, "both events")
    time.sleep(1)
    assert len(recorder.events) == 2  # neither twice


def test_a_request_that_cannot_be_made_is_as_one_without_an_answer(store: Store) -> None:
    ill = Forwarder(store, "http://x:port", "", holder="me", clock=lambda: NOW)

    async def post() -> forward.Answer:
        async with httpx.AsyncClient() as http:
            return await ill._post(http, KEY, ["{}"])

    answer = in_a_loop(post())
    assert answer.status == 0
    assert "InvalidURL" in answer.detail


def test_a_replaced_write_key_is_used_at_once(
    store: Store,
    project: Project,
    recorder: Recorder,  # noqa: F811
    begin: Begin,
) -> None:
    begin()
    stored(store, project)
    until(lambda: len(recorder.events) == 1, "the first event")
    store.write_keys.rotate(project.id, "bk_next", NOW, keep_ms=0)
    time.sleep(2 * forward.POLL_S)
    stored(store, project)
    until(lambda: len(recorder.events) == 2, "the second event")
    assert [body["api_key"] for body in recorder.bodies] == [KEY, "bk_next"]


def test_a_collector_that_answers_drop_by_drop_is_given_up_while_the_lease_is_held(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert forward.TIMEOUT_S * 1000 < forward.LEASE_MS / 2
    monkeypatch.setattr(forward, "TIMEOUT_S", 0.5)
    is_over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):  # it is hung up on
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                while not is_over.wait(0.1):
                    connection.sendall(b"x")

        dripping = threading.Thread(target=drip)
        dripping.start()
        sick = Forwarder(store, f"http://127.0.0.1:{listener.getsockname()[1]}", "", holder="me", clock=lambda: NOW)

        async def post() -> forward.Answer:
            async with httpx.AsyncClient(timeout=None) as http:
                return await asyncio.wait_for(sick._post(http, KEY, ["{}"]), 10)

        try:
            assert in_a_loop(post()).status == 0
        finally:
            is_over.set()
            dripping.join()
