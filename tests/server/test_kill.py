"""The promise behind every 200: what was acknowledged is there once, whatever happens to the process."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

import httpx
from beknown_server.store import open_store

from .conftest import BOTH_ENGINES, KEY, Server, uuid_of

KILLS = 3
SENDERS = 6
BETWEEN_S = 0.5


class Sender(threading.Thread):
    """Sends small batches for as long as it may; sends again what was not acknowledged, as every SDK does."""

    def __init__(self, url: str, number: int, stop: threading.Event) -> None:
        super().__init__()
        self.url, self.number, self.stop = url, number, stop
        self.acknowledged: list[str] = []
        self.repeats = 0

    def run(self) -> None:
        with httpx.Client(timeout=5) as client:
            while not self.stop.is_set():
                uuids = [uuid_of() for _ in range(3)]
                while not self.send(client, uuids) and not self.stop.is_set():
                    self.repeats += 1
                    time.sleep(0.02)

    def send(self, client: httpx.Client, uuids: list[str]) -> bool:
        events = [
            {
                "uuid": uuid,
                "event": "$identify" if order == 0 else "x",
                "distinct_id": f"user-{self.number}",
                "properties": {"$anon_distinct_id": f"anon-{uuid}"} if order == 0 else {},
            }
            for order, uuid in enumerate(uuids)
        ]
        try:
            answer = client.post(self.url + "/e/", json={"api_key": KEY, "batch": events})
        except httpx.TransportError:
            return False
        if answer.status_code != 200:
            return False
        self.acknowledged += uuids
        return True


@BOTH_ENGINES
def test_every_acknowledged_event_is_there_once_after_kills_under_load(
    serve: Callable[..., Server], database: str
) -> None:
    server = serve("--workers", "2", "--migrate", database=database)
    stop = threading.Event()
    senders = [Sender(server.url, number, stop) for number in range(SENDERS)]
    for sender in senders:
        sender.start()
    try:
        for _ in range(KILLS):
            time.sleep(BETWEEN_S)
            server.kill()
            server.start()
        time.sleep(BETWEEN_S)
    finally:
        stop.set()
        for sender in senders:
            sender.join()
    assert server.stop() == 0

    store = open_store(server.database)
    rows = store.recent(1, limit=10_000_000)
    stored = Counter(row.uuid for row in rows)
    acknowledged = [uuid for sender in senders for uuid in sender.acknowledged]
    assert len(acknowledged) > 30
    assert sum(sender.repeats for sender in senders) > 0  # the kills were felt
    assert [uuid for uuid in acknowledged if stored[uuid] != 1] == []
    assert max(stored.values()) == 1
    assert len({row.person.person_id for row in rows}) == SENDERS
    store.close()
