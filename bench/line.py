"""The line between the browser and the servers: a TCP forwarder that delays, narrows and counts.

Why not DevTools' own throttling: it is set per target. Chromium 156 refuses it for a worker ("Not supported"), and
beknown's Python is fetched by a worker, so only the peer would be slowed. Here every byte passes one line, whoever
sends it, pages, workers and beacons alike, and all connections share its width.

Rules:
- Opening a connection costs one round trip; half a round trip each way after that. No TLS, no slow start.
- Times are those of CLOCK_MONOTONIC in seconds, the clock that Chromium reports NavigationStart on.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

CHUNK = 2920  # two TCP segments: connections take turns on the line in pieces of this size
PATIENCE = 60.0  # seconds
Parcels = asyncio.Queue[tuple[float, bytes]]  # when each is due at the far end; the last one is empty


@dataclass(frozen=True)
class Speed:
    """What a line gives: bytes per second downwards and upwards (None: no limit), seconds of round trip."""

    down: float | None = None
    up: float | None = None
    round_trip: float = 0.0


UNTHROTTLED = Speed()
SLOW_4G = Speed(down=1.6e6 / 8, up=0.75e6 / 8, round_trip=0.150)  # Lighthouse's "slow 4G"


@dataclass(frozen=True, slots=True)
class Crossing:
    """Bytes that reached the far end: when, through which port, which way; the request line if they begin one."""

    at: float
    port: int
    upwards: bool
    size: int
    request: str


@dataclass
class Line:
    """One line, shared by every port that it forwards; ``log`` holds what has crossed it since ``clear()``."""

    speed: Speed = UNTHROTTLED
    log: list[Crossing] = field(default_factory=list)
    _free_at: dict[bool, float] = field(default_factory=lambda: {True: 0.0, False: 0.0})

    async def forward(self, target: int) -> int:
        """Give a new port on loopback whose connections lead over this line to the port ``target``."""

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            opened = time.monotonic()
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
            await _until(opened + self.speed.round_trip)
            await asyncio.gather(
                self._carry(reader, far_writer, port=port, upwards=True),
                self._carry(far_reader, writer, port=port, upwards=False),
            )

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        port: int = server.sockets[0].getsockname()[1]
        return port

    def clear(self) -> None:
        """Forget what has crossed."""
        self.log.clear()

    async def settle(
        self, quiet: float, *, awaiting: "Callable[[str], bool] | None" = None, patience: float = PATIENCE
    ) -> None:
        """Wait until nothing has crossed for ``quiet`` seconds, and until a request that ``awaiting`` accepts has.

        Raises TimeoutError if that takes longer than ``patience`` seconds.
        """
        begun = time.monotonic()
        while time.monotonic() - (self.log[-1].at if self.log else begun) < quiet or not (
            awaiting is None or any(awaiting(crossing.request) for crossing in self.log)
        ):
            if time.monotonic() > begun + patience:
                raise TimeoutError(
                    "the line did not settle; it saw " + "; ".join(each.request for each in self.log if each.request)
                )
            await asyncio.sleep(0.05)

    async def _carry(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, port: int, upwards: bool
    ) -> None:
        on_the_way: Parcels = asyncio.Queue()
        delivery = asyncio.create_task(self._deliver(on_the_way, sink, port=port, upwards=upwards))
        try:
            while data := await source.read(CHUNK):
                await self._turn(len(data), upwards=upwards)
                on_the_way.put_nowait((time.monotonic() + self.speed.round_trip / 2, data))
        except ConnectionError:
            pass  # the browser drops its connections when a page or a profile ends
        on_the_way.put_nowait((0.0, b""))
        await delivery

    async def _deliver(self, on_the_way: Parcels, sink: asyncio.StreamWriter, *, port: int, upwards: bool) -> None:
        while True:
            due, data = await on_the_way.get()
            if not data:
                sink.close()
                return
            await _until(due)
            sink.write(data)
            request = data.split(b"\r\n", 1)[0].decode("latin-1") if data.startswith((b"GET ", b"POST ")) else ""
            self.log.append(Crossing(time.monotonic(), port, upwards, len(data), request))

    async def _turn(self, size: int, *, upwards: bool) -> None:
        width = self.speed.up if upwards else self.speed.down
        if width is None:
            return
        self._free_at[upwards] = max(time.monotonic(), self._free_at[upwards]) + size / width
        await _until(self._free_at[upwards])


async def _until(moment: float) -> None:
    if (wait := moment - time.monotonic()) > 0:
        await asyncio.sleep(wait)
