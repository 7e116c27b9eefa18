"""A collector that misbehaves on purpose: a process of its own, so that it can be killed.

    python collector.py PORT FILE SEED

It writes the uuid of each event that it has not seen before to FILE, before it answers, as a real collector commits;
a repeat is written with a ``+`` in front. SEED 0 always answers 200. Any other is the seed of its moods:

    200 · 429 with Retry-After · 500 · stores, then hangs · hangs, stores nothing · stores, then hangs up

Each comes once at first, with a 200 after it; from then on the dice say which. FILE.moods has a line for each request.
"""

import gzip
import json
import random
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MOODS = {"fine": 80, "429": 3, "500": 6, "stores and hangs": 2, "hangs": 2, "stores and hangs up": 7}
HANG_S = 1.0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer waits 40 ms for the client's delayed ACK

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            content = gzip.decompress(content)
        mood = next_mood() if SEED else "fine"
        if mood == "fine" or mood.startswith("stores"):
            store([event["uuid"] for event in json.loads(content)["batch"]])
        if mood.endswith("hangs"):
            time.sleep(HANG_S)
        if "hangs" in mood:
            self.close_connection = True
            self.connection.close()
            return
        self.answer(200 if mood == "fine" else int(mood))

    def answer(self, status: int) -> None:
        body = b'{"status": 1}' if status == 200 else b'{"detail": "in a mood"}'
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Collector(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass  # answers to connections that are gone


def next_mood() -> str:
    with lock:
        mood = opening.pop() if opening else dice.choices([*MOODS], [*MOODS.values()])[0]
        with MOODS_FILE.open("a") as file:
            file.write(mood + "\n")
        return mood


def store(uuids: list[str]) -> None:
    with lock:
        lines = []
        for uuid in uuids:
            lines.append("+" * (uuid in seen) + uuid + "\n")
            seen.add(uuid)
        with FILE.open("a") as file:
            file.write("".join(lines))


if __name__ == "__main__":
    FILE, SEED = Path(sys.argv[2]), int(sys.argv[3])
    FILE.touch()
    seen = {line.strip("+\n") for line in FILE.open()}
    MOODS_FILE = FILE.with_suffix(".moods")
    MOODS_FILE.touch()
    shown = MOODS_FILE.read_text().count("\n")
    opening = [mood for bad in MOODS if bad != "fine" for mood in ("fine", bad)]
    del opening[max(len(opening) - shown, 0) :]
    lock, dice = threading.Lock(), random.Random(SEED + shown)
    Collector(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
