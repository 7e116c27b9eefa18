"""A load generator: one thread, raw sockets, requests that differ only in what must differ (uuid, id, time).

Rules:
- It must not be the bottleneck: a request costs it some 20 us, the answers are read no further than their status.
- ``closed`` loads as hard as the connections allow, each asking again when it was answered. ``paced`` asks at fixed
  times and measures from the moment a request was due, so that a stall is felt by all that fell due within it.
"""

from __future__ import annotations

import random
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import quantiles

VISITORS = 10_000
EVENT = (
    '{"uuid":"%s","event":"$pageview","distinct_id":"%s","timestamp":"%s","properties":{'
    '"$current_url":"https://shop.example/products/lamp?utm_source=newsletter&utm_medium=email","$host":"shop.example",'
    '"$pathname":"/products/lamp","$title":"A lamp for long evenings","$referrer":"https://www.search.example/",'
    '"$referring_domain":"www.search.example","$session_id":"%s","$window_id":"01937a3c-0000-7000-8000-0000000000aa",'
    '"$device_id":"01937a3c-0000-7000-8000-0000000000bb","$browser":"Chrome","$browser_version":142,"$os":"Windows",'
    '"$os_version":"10.0","$device_type":"Desktop","$screen_width":1920,"$screen_height":1080,"$viewport_width":1707,'
    '"$viewport_height":913,"$browser_language":"en-GB","$timezone":"Europe/London","$lib":"web","$lib_version":"1.0.0",'
    '"$process_person_profile":false,'  # as tags send it for visitors who are nobody's user
    '"utm_source":"newsletter","utm_medium":"email","price":129.5,"currency":"EUR","in_stock":true,"variants":["oak","ash"]}}'
)


class Events:
    """Makes the bodies: events of one visitor among many, as a browser sends them."""

    def __init__(self, key: str, batch: int) -> None:
        self._key, self._batch = key, batch
        self._dice = random.Random(1)
        ids = [f"01937a3c-{number >> 16:04x}-7{number & 0xFFF:03x}-8000-{number:012x}" for number in range(VISITORS)]
        self._visitors = ids

    def request(self) -> bytes:
        """Give one whole HTTP request."""
        now = time.time()
        stamp = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
        ms = f"{int(now * 1000):012x}"
        head = f"{ms[:8]}-{ms[8:]}-7"
        visitor = self._dice.choice(self._visitors)
        events = [self._event(head, stamp, visitor) for _ in range(self._batch)]
        body = ",".join(events)
        body = f'{{"api_key":"{self._key}","sent_at":"{stamp}","batch":[{body}]}}'
        return (
            f"POST /e/ HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            + body
        ).encode()

    def _event(self, head: str, stamp: str, visitor: str) -> str:
        bits = self._dice.getrandbits(74)
        uuid = f"{head}{bits & 0xFFF:03x}-{0x8000 | bits >> 12 & 0x3FFF:04x}-{bits >> 26:012x}"
        return EVENT % (uuid, visitor, stamp, visitor)


@dataclass
class Outcome:
    """What a stretch of load gave: latencies in seconds of the requests that were answered 200, and the others."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    failed: int = 0

    @property
    def rate(self) -> float:
        """Give the requests answered per second."""
        return len(self.latencies) / self.seconds

    def ms(self, percent: int) -> float:
        """Give a percentile of the latencies in milliseconds."""
        return 1000 * quantiles(self.latencies, n=100)[percent - 1]


class Line:
    """One kept-alive connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.asked = 0.0

    def ask(self, request: bytes, since: float) -> None:
        """Send a request that was due at ``since``."""
        self.asked = since
        self.socket.sendall(request)

    def answer(self) -> bool:
        """Read an answer whole; tell whether it was 200."""
        data = self.socket.recv(65536)
        while b"\r\n\r\n" not in data or len(data) < _length(data):
            more = self.socket.recv(65536)
            if not more:
                raise SystemExit(f"the server closed a connection: {data[:300]!r}")
            data += more
        return data.startswith(b"HTTP/1.1 200")


def _length(data: bytes) -> int:
    head, _, _ = data.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return len(head) + 4 + int(lines[0].partition(b":")[2])


class Load:
    """Some connections to one server."""

    def __init__(self, port: int, connections: int, request: Callable[[], bytes]) -> None:
        self._request = request
        self._lines = [Line(port) for _ in range(connections)]
        self._selector = selectors.DefaultSelector()
        for line in self._lines:
            self._selector.register(line.socket, selectors.EVENT_READ, line)

    def closed(self, seconds: float) -> Outcome:
        """Ask as fast as answers come."""
        outcome = Outcome()
        began = time.perf_counter()
        for line in self._lines:
            line.ask(self._request(), time.perf_counter())
        waiting = len(self._lines)
        while waiting:
            for key, _ in self._selector.select(10):
                line, now = key.data, time.perf_counter()
                self._note(outcome, line, began)
                if now - began < seconds:
                    line.ask(self._request(), time.perf_counter())
                else:
                    waiting -= 1
        outcome.seconds = time.perf_counter() - began
        return outcome

    def paced(self, seconds: float, rate: float) -> Outcome:
        """Ask ``rate`` times a second, whatever comes back."""
        outcome = Outcome()
        began = time.perf_counter()
        due, idle, late = 0, deque(self._lines), deque[float]()
        while due < seconds * rate or late or len(idle) < len(self._lines):
            now = time.perf_counter()
            while due < seconds * rate and began + due / rate <= now:
                late.append(began + due / rate)
                due += 1
            while late and idle:
                idle.popleft().ask(self._request(), late.popleft())
            pause = began + due / rate - time.perf_counter() if due < seconds * rate else 10
            for key, _ in self._selector.select(max(pause, 0)):
                self._note(outcome, key.data, began)
                idle.append(key.data)
        outcome.seconds = time.perf_counter() - began
        return outcome

    def _note(self, outcome: Outcome, line: Line, began: float) -> None:
        if line.answer():
            outcome.latencies.append(time.perf_counter() - line.asked)
        else:
            outcome.failed += 1

    def close(self) -> None:
        """Hang up."""
        for line in self._lines:
            line.socket.close()
