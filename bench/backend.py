"""What sending an event costs a backend: beknown's Client beside the posthog package, in one run, taking turns.

    python bench/backend.py [--events 20000] [--runs 5]

Each run is a process of its own that captures the same events as fast as they are taken, then flushes. The collector
is another process that reads each request and answers 200 at once; events that it did not get fail the run. Both
clients have the same batch size (100), room for all events, and one background thread.
"""

from __future__ import annotations

import argparse
import gzip
import json
import logging
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

RESULTS = Path(__file__).parent / "results"
BATCH = 100
CLIENTS = ("beknown", "posthog")
Numbers = dict[str, float]


# The collector ----------------------------------------------------------------------------------------------------


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer waits 40 ms for the client's delayed ACK
    seen = 0

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            content = gzip.decompress(content)
        Handler.seen += content.count(b'"bench event"')
        self.answer(b'{"status": 1}')

    def do_GET(self) -> None:
        seen, Handler.seen = Handler.seen, 0
        self.answer(b"%d" % seen)

    def answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def collect() -> None:
    """Be the collector; say which port it is on."""
    server = HTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


# One run ----------------------------------------------------------------------------------------------------------


def properties(number: int) -> dict[str, Any]:
    """Give what a shop might say of an order."""
    return {
        "order": f"order-{number}", "total": 42.5, "currency": "EUR", "items": 3, "coupon": None, "express": True,
        "categories": ["bread", "cake"], "shipping": {"country": "DE", "method": "parcel"},
    }  # fmt: skip


def beknown_client(url: str, events: int, zipped: bool) -> tuple[Callable[[int], Any], Callable[[], Any]]:
    from beknown.backend import Client

    client = Client("bk_bench", url, max_queue_size=events, flush_at=BATCH, gzip=zipped, timeout=15)
    return lambda number: client.capture(f"user-{number % 100}", "bench event", properties(number)), (
        lambda: client.flush(120)
    )


def posthog_client(url: str, events: int, zipped: bool) -> tuple[Callable[[int], Any], Callable[[], Any]]:
    from posthog import Posthog

    client = Posthog("phc_bench", host=url, max_queue_size=events, flush_at=BATCH, gzip=zipped)
    return lambda number: client.capture(
        "bench event", distinct_id=f"user-{number % 100}", properties=properties(number)
    ), client.join


def measure(name: str, url: str, events: int, zipped: bool) -> Numbers:
    """Send the events and give what it took, in seconds of time and of CPU."""
    make = beknown_client if name == "beknown" else posthog_client
    capture, flush = make(url, events, zipped)
    cpu, began = time.process_time(), time.perf_counter()
    for number in range(events):
        capture(number)
    captured = time.perf_counter()
    flush()
    return {"call": captured - began, "all": time.perf_counter() - began, "cpu": time.process_time() - cpu}


# All runs ---------------------------------------------------------------------------------------------------------


def once(name: str, port: str, events: int, zipped: bool) -> Numbers:
    """Have one process send; check that everything arrived."""
    import httpx

    url = f"http://127.0.0.1:{port}"
    arguments = [sys.executable, __file__, "--one", name, "--url", url, "--events", str(events)]
    done = subprocess.run([*arguments, *["--gzip"] * zipped], capture_output=True, text=True, check=True)
    arrived = int(httpx.get(url).text)
    if arrived != events:
        raise SystemExit(f"{name}: {arrived} of {events} events arrived\n{done.stderr}")
    numbers: Numbers = json.loads(done.stdout)
    return {
        "events per second": events / numbers["all"],
        "microseconds per capture()": numbers["call"] / events * 1e6,
        "CPU microseconds per event": numbers["cpu"] / events * 1e6,
    }


def table(found: dict[str, dict[str, list[Numbers]]]) -> str:
    """Give the medians as a Markdown table."""
    lines = ["| | | beknown | posthog | ratio |", "|---|---|---:|---:|---:|"]
    for compression, runs in found.items():
        for what in runs["beknown"][0]:
            ours, theirs = (median(run[what] for run in runs[name]) for name in CLIENTS)
            lines.append(f"| {compression} | {what} | {ours:,.0f} | {theirs:,.0f} | {ours / theirs:.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write bench/results/backend.md and .json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--one", choices=(*CLIENTS, "collector"), help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--gzip", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one == "collector":
        return collect()
    if given.one:
        logging.disable()
        print(json.dumps(measure(given.one, given.url, given.events, given.gzip)))
        return None
    collector = subprocess.Popen([sys.executable, __file__, "--one", "collector"], stdout=subprocess.PIPE, text=True)
    try:
        assert collector.stdout is not None
        port = collector.stdout.readline().strip()
        found: dict[str, dict[str, list[Numbers]]] = {}
        for zipped in (False, True):
            runs = found["gzip" if zipped else "plain"] = {name: [] for name in CLIENTS}
            for _ in range(given.runs):
                for name in CLIENTS:
                    runs[name].append(once(name, port, given.events, zipped))
    finally:
        collector.terminate()
        collector.wait()
    text = (
        f"{time.strftime('%Y-%m-%d')} · {given.events:,} events, batches of {BATCH}, medians of {given.runs} runs · "
        f"Python {platform.python_version()}, {os.cpu_count()} processors · posthog {version('posthog')}\n\n"
    ) + table(found)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "backend.md").write_text(text + "\n")
    (RESULTS / "backend.json").write_text(json.dumps(found, indent=1) + "\n")
    return None


if __name__ == "__main__":
    main()
