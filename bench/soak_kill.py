"""The promise behind every 200, under load: kills, a full disk, a locked store, a database that is restarted.

    python bench/soak_kill.py [--kills 100] [--only NAME] [--results FILE]

Eight senders send small batches, identify included, and send again what was not acknowledged, as every SDK does. What
is done to the server meanwhile: SIGKILL to a worker, or to all its processes at once (then it is started again, as a
service manager would); its disk runs full and gets room again; another program holds its database; PostgreSQL is
stopped, or crashes, and comes back. Then every acknowledged event must be stored once, under the one person that its
sender is, and the server must have begun to store again by itself. Ends with 1 if not.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from uuid import UUID

from beknown.ids import RANDOM_BYTES, uuid7
from beknown_server.store import open_store
from postgres import Postgres, programs

RESULTS = Path(__file__).parent / "results/soak_kill.json"
KEY = "bk_soak"
SENDERS = 8
BATCH = 3
PATIENCE_S = 60.0  # until the server must store again by itself
HELD_S = 12.0  # the store is locked: longer than a writer waits for it
ROOM = 6 << 20  # bytes of the disk that runs full


class Server:
    """``beknown serve`` with two workers, that can be killed and started again on the same port and database."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder, self.database = folder, database
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        command = [sys.executable, "-m", "beknown_server", "serve", "--workers", "2", "--migrate"]
        command += ["--port", str(self.port), "--database", self.database]
        environment = os.environ | {"BEKNOWN_KEY": KEY, "BEKNOWN_SECRET_KEY": "bks_soak", "TMPDIR": str(self.folder)}
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env=environment, cwd=self.folder, stdout=log, stderr=log, start_new_session=True
            )
        self.await_ready()

    def await_ready(self) -> None:
        """Wait until it says that it can store; raise SystemExit if that takes too long."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz/ready", timeout=5).close()
                return
            except OSError:
                time.sleep(0.05)
        raise SystemExit("the server did not become ready:\n" + (self.folder / "log").read_text()[-3000:])

    def workers(self) -> list[int]:
        """Give the numbers of its worker processes."""
        assert self._process is not None
        path = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def kill_worker(self) -> None:
        """End one worker as a crash would."""
        os.kill(random.choice(self.workers()), signal.SIGKILL)

    def kill(self) -> None:
        """End all at once, as a power cut would."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> int:
        """End it in order; give its exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(30)


class Sender(threading.Thread):
    """Sends small batches of one user's events until told to stop; again and again what was not acknowledged."""

    def __init__(self, port: int, number: int, stop: threading.Event) -> None:
        super().__init__()
        self._port, self._number, self._stop_it = port, number, stop
        self.acknowledged: list[str] = []
        self.tries: Counter[str] = Counter()
        self._line: HTTPConnection | None = None

    def run(self) -> None:
        """Send."""
        while not self._stop_it.is_set():
            uuids = [uuid7(time.time_ns() // 1_000_000, os.urandom(RANDOM_BYTES)) for _ in range(BATCH)]
            body = json.dumps({"api_key": KEY, "batch": [self._event(n, uuid) for n, uuid in enumerate(uuids)]})
            while (outcome := self._send(body)) != "200":
                self.tries[outcome] += 1
                if self._stop_it.wait(0.02):
                    return
            self.tries["200"] += 1
            self.acknowledged += uuids

    def _event(self, number: int, uuid: str) -> dict[str, Any]:
        event = {
            "uuid": uuid,
            "event": "x",
            "distinct_id": f"user-{self._number}",
            "properties": {"filling": "x" * 500},
        }
        if number == 0:
            event |= {"event": "$identify", "properties": {"$anon_distinct_id": f"anonymous-{uuid}"}}
        return event

    def _send(self, body: str) -> str:
        try:
            if self._line is None:
                self._line = HTTPConnection("127.0.0.1", self._port, timeout=40)
            self._line.request("POST", "/e/", body, {"Content-Type": "application/json"})
            answer = self._line.getresponse()
            answer.read()
            return str(answer.status)
        except (OSError, HTTPException):
            if self._line is not None:
                self._line.close()
            self._line = None
            return "no answer"


@dataclass
class Load:
    """The senders of a run."""

    senders: list[Sender]
    events: int = field(default=0, init=False)

    def acknowledged(self) -> int:
        """Give how many events were acknowledged so far."""
        return sum(len(sender.acknowledged) for sender in self.senders)

    def goes_on(self) -> float:
        """Wait until events are acknowledged again; give the seconds that it took. Raises SystemExit."""
        began, before = time.monotonic(), self.acknowledged()
        while self.acknowledged() <= before + BATCH * SENDERS:  # more than what was under way
            if time.monotonic() - began > PATIENCE_S:
                raise SystemExit("the server did not begin to store again by itself")
            time.sleep(0.02)
        return time.monotonic() - began

    def stands_still(self) -> None:
        """Wait until something was refused and nothing is acknowledged any more."""
        while True:
            before = self.acknowledged()
            time.sleep(1.0)
            if self.acknowledged() == before:
                return


@contextmanager
def loaded(server: Server) -> Iterator[Load]:
    """Load a server for as long as the block lasts."""
    stop = threading.Event()
    load = Load([Sender(server.port, number, stop) for number in range(SENDERS)])
    for sender in load.senders:
        sender.start()
    try:
        yield load
    finally:
        stop.set()
        for sender in load.senders:
            sender.join()


# What is done to it ------------------------------------------------------------------------------------------------


def kills(server: Server, load: Load, how_many: int) -> dict[str, Any]:
    """Kill it, again and again, at random moments; every other time a worker alone."""
    slowest = 0.0
    for number in range(how_many):
        time.sleep(random.uniform(0.05, 0.6))
        if number % 2:
            server.kill_worker()
        else:
            server.kill()
            server.start()
        slowest = max(slowest, load.goes_on())
        if number % 10 == 9:
            print(f"  {number + 1} kills, {load.acknowledged():,} events acknowledged", flush=True)
    return {"kills": how_many, "slowest_recovery_s": round(slowest, 2)}


def full_disk(server: Server, load: Load, room: Callable[[Server, bool], None]) -> dict[str, Any]:
    """Let its disk run full, then give it room."""
    room(server, False)
    load.stands_still()
    refused = sum(sender.tries["503"] for sender in load.senders)
    room(server, True)
    return {"refused_with_503": refused, "recovery_s": round(load.goes_on(), 2)}


def locked(server: Server, load: Load) -> dict[str, Any]:
    """Hold the database's lock with another program."""
    other = sqlite3.connect(server.database.removeprefix("sqlite:///"), timeout=30, isolation_level=None)
    other.execute("begin immediate")
    time.sleep(HELD_S)
    other.execute("rollback")
    other.close()
    refused = sum(sender.tries["503"] for sender in load.senders)
    return {"refused_with_503": refused, "recovery_s": round(load.goes_on(), 2)}


def restarted(load: Load, database: Postgres, how_many: int) -> dict[str, Any]:
    """Stop PostgreSQL, in order and by a crash, and start it again."""
    slowest = 0.0
    for number in range(how_many):
        time.sleep(random.uniform(0.3, 1.0))
        database.stop("immediate" if number % 2 else "fast")
        time.sleep(1.0)
        database.start()
        slowest = max(slowest, load.goes_on())
    refused = sum(sender.tries["503"] for sender in load.senders)
    return {"restarts": how_many, "refused_with_503": refused, "slowest_recovery_s": round(slowest, 2)}


def limit(server: Server, free: bool) -> None:
    """Let no file of the workers grow over ROOM bytes, or let them grow again: a disk of one's own needs root."""
    for pid in server.workers():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY if free else ROOM, resource.RLIM_INFINITY))


# The runs ----------------------------------------------------------------------------------------------------------


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--kills", type=int, default=100)
    options.add_argument("--only", default="")
    options.add_argument("--results", type=Path, default=RESULTS)
    chosen = options.parse_args()
    found: dict[str, Any] = {"kills": chosen.kills, "runs": {}}
    scenarios: dict[str, Callable[[Server, Load], dict[str, Any]]] = {
        "sqlite full disk": lambda server, load: full_disk(server, load, limit),
        "sqlite locked": locked,
        "sqlite kills": lambda server, load: kills(server, load, chosen.kills),
    }
    for name, scenario in scenarios.items():
        if chosen.only in name:
            with tempfile.TemporaryDirectory() as folder:
                found["runs"][name] = run(name, Path(folder), f"sqlite:///{folder}/soak.db", scenario)
    if programs() and ("postgresql".startswith(chosen.only[:10]) or chosen.only.startswith("postgresql")):
        found["runs"] |= on_postgres(chosen.only, chosen.kills)
    chosen.results.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))
    return 1 if any(one["lost"] or one["doubled"] or one["wrong_persons"] for one in found["runs"].values()) else 0


def on_postgres(only: str, how_many: int) -> dict[str, Any]:
    """Run what is done with PostgreSQL."""
    database = Postgres()
    scenarios: dict[str, Callable[[Server, Load], dict[str, Any]]] = {
        "postgresql restarted": lambda _, load: restarted(load, database, max(2, how_many // 10)),
        "postgresql kills": lambda server, load: kills(server, load, how_many),
    }
    try:
        done = {}
        for name, scenario in scenarios.items():
            if only in name:
                with tempfile.TemporaryDirectory() as folder:
                    done[name] = run(name, Path(folder), database.database(), scenario)
        return done
    finally:
        database.remove()


def run(name: str, folder: Path, database: str, scenario: Callable[[Server, Load], dict[str, Any]]) -> dict[str, Any]:
    """Do one thing to a server under load, and give what was found afterwards."""
    print(name, flush=True)
    began = time.monotonic()
    server = Server(folder, database)
    server.start()
    with loaded(server) as load:
        load.goes_on()
        done = scenario(server, load)
        load.goes_on()
    code = server.stop()
    acknowledged = [uuid for sender in load.senders for uuid in sender.acknowledged]
    outcomes = sum((sender.tries for sender in load.senders), Counter())
    return {
        **done,
        "seconds": round(time.monotonic() - began),
        "requests": dict(outcomes),
        "acknowledged": len(acknowledged),
        **compared(database, acknowledged),
        "exit_code_of_the_last_stop": code,
    }


def compared(database: str, acknowledged: list[str]) -> dict[str, int]:
    """Hold what is stored against what was acknowledged."""
    store = open_store(database)
    stored: Counter[str] = Counter()
    persons: dict[str, set[str]] = {}
    at = 0
    while rows := store.recent(1, after=at, limit=5000):
        at = rows[-1].seq
        for row in rows:
            stored[str(UUID(row.uuid))] += 1
            persons.setdefault(row.distinct_id, set()).add(row.person.person_id)
    store.close()
    return {
        "stored": sum(stored.values()),
        "lost": sum(stored[uuid] == 0 for uuid in acknowledged),
        "doubled": sum(count > 1 for count in stored.values()),
        "wrong_persons": sum(len(found) != 1 for found in persons.values()) + (len(persons) != SENDERS),
    }


if __name__ == "__main__":
    sys.exit(main())
