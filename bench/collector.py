"""``beknown serve`` as a process of its own, on a database of its own, for the length of a measurement."""

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Collector:
    """A running server: its port, and the keys of its project."""

    port: int
    key: str
    secret: str

    def stored(self, event: str) -> int:
        """Count the stored events of a name, through the API."""
        return len(self.events(event))

    def events(self, event: str) -> list[dict[str, Any]]:
        """Give the stored events of a name, through the API."""
        found: list[dict[str, Any]] = []
        before = ""
        while True:
            answer = self._get(f"/api/events?event={event}&limit=1000{before}")
            found += answer["results"]
            if answer["next"] is None:
                return found
            before = f"&before={answer['next']}"

    def _get(self, path: str) -> dict[str, Any]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}")
        request.add_header("Authorization", "Bearer " + self.secret)
        with urllib.request.urlopen(request, timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        return found


@contextmanager
def collector() -> Iterator[Collector]:
    """Run the server; raise SystemExit with its words if it does not start."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = Collector(port, "bk_" + secrets.token_hex(8), "bks_" + secrets.token_hex(16))
    with tempfile.TemporaryDirectory() as folder, open(f"{folder}/log", "w+") as log:
        command = [str(Path(sys.executable).with_name("beknown")), "serve", "--port", str(port)]
        command += ["--database", f"sqlite:///{folder}/bench.db"]
        environment = os.environ | {"BEKNOWN_KEY": running.key, "BEKNOWN_SECRET_KEY": running.secret}
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            _await_ready(server, running, log=Path(log.name))
            yield running
        finally:
            server.terminate()
            server.wait()


def _await_ready(server: "subprocess.Popen[bytes]", running: Collector, *, log: Path) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{running.port}/healthz/ready", timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
        if server.poll() is not None:
            break
    raise SystemExit("beknown serve did not become ready:\n" + log.read_text())
