"""What open live views cost ingestion: the same load with none and with 200, taking turns, on one server process.

    python bench/live.py [--viewers 200] [--seconds 8] [--rate 200] [--runs 3] [--results FILE]

Each run posts batches of ten events with thirty properties at a steady rate, as JSON viewers and the dashboard's own
(HTML) watch, and gives the server's processor time per 1,000 events, and the time until a batch is acknowledged. Then
the same at full speed: how many events a second. Each reader of JSON must in the end have seen every event once, in
order, and each page only what is newer than what it had, up to the newest, or the run ends with 1; a tenth of them drop
their connection on the way and go on from where they were. The watcher yields the processor to the server and the load.
"""

import argparse
import asyncio
import http.client
import json
import multiprocessing
import os
import random
import re
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from collector import Collector, collector

RESULTS = Path(__file__).parent / "results/live.json"
BATCH = 10
PROPERTIES = {f"property_{n}": f"some text of a common length, {n}" for n in range(30)}
PLACE = re.compile(rb"(?m)^id: (\d+)$")
TICK = os.sysconf("SC_CLK_TCK")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--viewers", type=int, default=200)
    options.add_argument("--seconds", type=float, default=8)
    options.add_argument("--rate", type=int, default=200, help="events a second of the steady load")
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--results", type=Path, default=RESULTS)
    chosen = options.parse_args()
    found: dict[str, list[dict[str, Any]]] = {"steady": [], "full": []}
    with collector() as server:
        for run in range(chosen.runs):
            for load, rate in (("steady", chosen.rate), ("full", 0)):
                for viewers in (0, chosen.viewers) if run % 2 == 0 else (chosen.viewers, 0):
                    # Of a flood's second, readers of JSON get a minute's worth to catch up with.
                    seconds = chosen.seconds if rate else chosen.seconds / 4
                    one = measured(server, viewers, seconds=seconds, rate=rate)
                    print(load, json.dumps(one), flush=True)
                    found[load].append(one)
    summary = {load: summed(runs) for load, runs in found.items()}
    wrong = sum(one["wrong"] for runs in found.values() for one in runs)
    print(json.dumps(summary, indent=2), f"\nviewers that missed something or saw it twice: {wrong}")
    chosen.results.write_text(json.dumps({"summary": summary, "wrong": wrong, "runs": found}, indent=2) + "\n")
    return 1 if wrong else 0


def summed(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Give the medians without and with viewers, and their ratio."""
    sides = {name: [one for one in runs if (one["viewers"] > 0) == watched] for name, watched in SIDES.items()}
    given: dict[str, Any] = {}
    for measure in ("events_a_second", "cpu_ms_per_1000", "ack_median_ms", "ack_p95_ms", "server_mb"):
        alone, watched = (statistics.median([one[measure] for one in side]) for side in sides.values())
        given[measure] = {"alone": alone, "watched": watched, "ratio": round(watched / alone, 2)}
    return given


SIDES = {"alone": False, "watched": True}


def measured(server: Collector, viewers: int, *, seconds: float, rate: int) -> dict[str, Any]:
    """Load the server for some seconds, watched by so many; give what it took."""
    pid = listener(server.port)
    start = newest(server)
    with multiprocessing.Pool(1) as pool:
        stop = multiprocessing.Manager().Event() if viewers else None
        watching = pool.apply_async(watch, (server, viewers, start, stop)) if viewers else None
        time.sleep(3 if viewers else 1)
        cpu, began = cpu_ms(pid), time.monotonic()
        sent, acks = load(server, seconds=seconds, rate=rate)
        took, spent = time.monotonic() - began, cpu_ms(pid) - cpu
        wrong = 0
        if watching is not None and stop is not None:
            stop.set()
            wrong = watching.get(timeout=300)
    acks.sort()
    return {
        "viewers": viewers,
        "events": sent,
        "events_a_second": round(sent / took),
        "cpu_ms_per_1000": round(1000 * spent / sent, 1),
        "ack_median_ms": round(statistics.median(acks), 2),
        "ack_p95_ms": round(acks[int(len(acks) * 0.95)], 2),
        "server_mb": peak_mb(pid),
        "wrong": wrong,
    }


def load(server: Collector, *, seconds: float, rate: int) -> tuple[int, list[float]]:
    """Post batches over one connection, at a rate or as fast as they are taken; give how many events, and the ms."""
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    acks: list[float] = []
    began = time.monotonic()
    while (now := time.monotonic() - began) < seconds:
        if rate and len(acks) * BATCH > now * rate:
            time.sleep(0.002)
            continue
        events = [{"event": "tick", "distinct_id": f"v{random.randrange(500)}", "properties": PROPERTIES}]
        begun = time.perf_counter()
        line.request("POST", "/batch/", json.dumps({"api_key": server.key, "batch": events * BATCH}))
        answer = line.getresponse()
        answer.read()
        assert answer.status == 200
        acks.append(1000 * (time.perf_counter() - begun))
    line.close()
    return len(acks) * BATCH, acks


@dataclass
class Viewer:
    """One reader of the stream: where it is, what it saw wrong."""

    server: Collector
    place: int
    form: str
    drops: bool
    seen: int = 0
    wrong: bool = False
    rest: bytes = field(default=b"", repr=False)

    async def follow(self, until: "asyncio.Future[int]") -> None:
        """Read until everything up to the place that the future gives was seen."""
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
            head = f"GET /api/live?format={self.form} HTTP/1.0\r\nLast-Event-ID: {self.place}\r\n"
            writer.write(f"{head}Authorization: Bearer {self.server.secret}\r\n\r\n".encode())
            leaves = self.seen + 200 if self.drops else None
            self.rest = b""
            while not (leaves and self.seen > leaves):
                if until.done() and self.place >= until.result():
                    writer.close()
                    return
                try:
                    got = await asyncio.wait_for(reader.read(1 << 18), 0.5)
                except TimeoutError:
                    continue
                if not got:
                    break
                self.take(got)
            writer.close()
            await asyncio.sleep(1)  # as a browser does, told so by `retry`

    def take(self, got: bytes) -> None:
        """Take whole lines; each id must be the one after the last (a page goes on with the newest)."""
        lines, _, self.rest = (self.rest + got).rpartition(b"\n")
        for place in map(int, PLACE.findall(lines)):
            self.wrong |= place <= self.place or (place != self.place + 1 and self.form == "json")
            self.place, self.seen = place, self.seen + 1


def watch(server: Collector, count: int, start: int, stop: Any) -> int:
    """Watch with so many viewers until told to stop and everything has come; give how many saw something wrong."""
    os.nice(19)
    return asyncio.run(_watch(server, count, start, stop))


async def _watch(server: Collector, count: int, start: int, stop: Any) -> int:
    viewers = [Viewer(server, start, "json" if n % 2 else "html", n % 10 == 0) for n in range(count)]
    until: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    tasks = [asyncio.create_task(one.follow(until)) for one in viewers]
    while not stop.is_set():
        await asyncio.sleep(0.1)
    until.set_result(await asyncio.to_thread(newest, server))
    done, late = await asyncio.wait(tasks, timeout=240)  # readers of JSON have a flood to catch up with
    for task in done:
        task.result()
    for task in late:
        task.cancel()
    return len(late) + sum(one.wrong for one in viewers)


def newest(server: Collector) -> int:
    """Give the place of the newest event."""
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    line.request("GET", "/api/events?limit=1", headers={"Authorization": "Bearer " + server.secret})
    answer = json.loads(line.getresponse().read())
    line.close()
    return answer["next"] or 0


def listener(port: int) -> int:
    """Give the process id of the worker: the child of the process that listens on the port."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if b"serve" in words and str(port).encode() in words:
                    children = (entry / f"task/{entry.name}/children").read_text().split()
                    if children:
                        return int(children[-1])
            except OSError:
                continue
    raise SystemExit("the worker was not found")


def peak_mb(pid: int) -> int:
    """Give the most memory that a process has had."""
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


def cpu_ms(pid: int) -> float:
    """Give the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return 1000 * (int(fields[11]) + int(fields[12])) / TICK


if __name__ == "__main__":
    sys.exit(main())
