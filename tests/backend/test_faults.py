"""Every event that ``capture`` accepted arrives exactly once, whatever the collector does meanwhile.

`make soak` sends 100,000 events (bench/soak_backend.py) and keeps what is recorded here; `make test` enough to meet
every mood.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from beknown.backend import AsyncClient, Client
from beknown_server.store import open_store

from ..server.conftest import Server
from .collector import MOODS
from .conftest import KEY, Process, in_a_loop

COUNT = int(os.environ.get("BEKNOWN_SOAK_EVENTS", "5000"))
PATIENCE = max(COUNT / 100, 60)  # seconds
OPTIONS: dict[str, Any] = {"retry_wait": 0.05, "timeout": 0.5, "max_queue_size": 2000, "flush_interval": 0.05}
ALL_BYTES = 100_000_000  # of all events together; what waits at a time is bounded to a small part of it
QUEUE_BYTES = 4_000_000

pytestmark = pytest.mark.timeout(PATIENCE * 2)


class Told:
    """What on_error heard."""

    def __init__(self) -> None:
        self.full = 0
        self.other: list[str] = []

    def __call__(self, error: Exception, events: list[dict[str, Any]]) -> None:
        if "queue is full" in str(error):
            self.full += 1
        else:
            self.other.append(str(error))


def captures(client: Client | AsyncClient, restart: Callable[[], None], padding: str = "") -> Iterator[str]:
    """Capture COUNT events as fast as they are taken, giving each one's uuid; restart the collector twice."""
    for number in range(COUNT):
        if number in (COUNT // 3, COUNT * 2 // 3):
            restart()
        while (uuid := client.capture(f"user-{number % 50}", "x", {"number": number, "as": padding})) is None:
            time.sleep(0.01)  # full: the application may wait, or go on without
        yield uuid


def peak_mb() -> float:
    """Give the most this process has held since "5" was written to clear_refs (``man 5 proc_pid_clear_refs``)."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) / 1024


Record = Callable[[str, object], None]


def test_a_bad_tempered_collector_killed_twice_has_every_event_once(
    collector: Callable[[int], Process], record_property: Record
) -> None:
    server, told = collector(7), Told()

    def restart() -> None:
        server.kill()
        time.sleep(0.2)
        server.start()

    Path("/proc/self/clear_refs").write_text("5")  # what other tests have needed at most is not this one's
    before = peak_mb()
    with Client(KEY, server.url, on_error=told, max_queue_bytes=QUEUE_BYTES, **OPTIONS) as client:
        accepted = list(captures(client, restart, "x" * (ALL_BYTES // COUNT)))
        assert client.flush(PATIENCE)
    grown = peak_mb() - before
    stored = server.stored()
    told_of(record_property, accepted, stored)
    record_property("sent more than once", server.repeats())
    record_property("refused because the queue was full", told.full)
    record_property("memory grown, MB", round(grown))
    record_property("answers", json.dumps(server.moods()))
    assert stored == Counter(accepted)
    assert set(server.moods()) == set(MOODS)  # or this test has shown nothing
    assert server.repeats() > 0
    assert told.full > 0
    assert told.other == []
    assert grown < 8 * QUEUE_BYTES / 1e6 + COUNT / 4000  # the list of uuids is this test's own


def test_the_async_client_delivers_as_faithfully(collector: Callable[[int], Process]) -> None:
    server = collector(3)

    async def run() -> list[str | None]:
        async with AsyncClient(KEY, server.url, **OPTIONS | {"max_queue_size": 10_000}) as client:
            accepted = []
            for number in range(1000):
                accepted.append(client.capture("u", "x", {"number": number}))
                if number % 10 == 0:
                    await asyncio.sleep(0.001)
            assert await client.flush(PATIENCE)
        return accepted

    accepted = in_a_loop(run())
    assert server.stored() == Counter(accepted)
    assert set(server.moods()) == set(MOODS)


def test_our_own_server_killed_twice_has_every_event_once(beknown: Server, record_property: Record) -> None:
    told = Told()

    def restart() -> None:
        beknown.kill()
        beknown.start()

    with Client(KEY, beknown.url, on_error=told, **OPTIONS | {"timeout": 5}) as client:
        accepted = list(captures(client, restart))
        assert client.flush(PATIENCE)
    assert told.other == []
    beknown.stop()
    stored = uuids_in(beknown.folder)
    told_of(record_property, accepted, stored)
    assert stored == Counter(accepted)


def told_of(record: Record, accepted: list[str], stored: Counter[str]) -> None:
    """Write down how many events were accepted, and how many of them are missing or there twice."""
    record("accepted", len(accepted))
    record("lost", len(set(accepted) - set(stored)))
    record("stored twice", sum(count > 1 for count in stored.values()))


def uuids_in(folder: Path) -> Counter[str]:
    """Give the uuid of every event in the server's database, with how often it is there."""
    store = open_store(f"sqlite:///{folder}/beknown.db")
    try:
        project = store.projects()[0].id
        found: Counter[str] = Counter()
        after = 0
        while rows := store.recent(project, after=after, limit=1000):
            found.update(row.uuid for row in rows)
            after = rows[-1].seq
        return found
    finally:
        store.close()
