"""Server processes for the tests, forked from one that has imported the server already.

Importing costs a second of a processor, which is more than most tests need for the rest. What is forked runs the same
command line as a shell would start, in a session of its own, with its own environment, folder and log.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from .patience import until

PARENT = """
import gc, json, os, signal, sys
import beknown_server.cli
APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND
gc.freeze()
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a child here
for line in sys.stdin:
    folder, log, environment, arguments = json.loads(line)
    child = os.fork()
    if child:
        print(child, flush=True)
        continue
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    os.chdir(folder)
    for number, path, flags in ((0, os.devnull, os.O_RDONLY), (1, log, APPEND), (2, log, APPEND)):
        opened = os.open(path, flags, 0o644)
        os.dup2(opened, number)
        os.close(opened)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["beknown", *arguments]
    beknown_server.cli.main()
os._exit(0)  # after gc.freeze() a regular end has native libraries complain of what was not freed
"""


class Forked:
    """A process that is no child of ours: as much of ``subprocess.Popen`` as the tests ask of a server."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def poll(self) -> int | None:
        """Give None while it runs."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return 0
        return None

    def terminate(self) -> None:
        os.kill(self.pid, signal.SIGTERM)

    def wait(self, timeout: float = 20) -> None:
        until(lambda: self.poll() is not None, f"process {self.pid} to end", timeout)


class Nursery:
    """The process that the servers are forked from, one for all tests of this worker."""

    def __init__(self) -> None:
        self._parent: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def start(self, arguments: list[str], *, folder: Path, log: Path, environment: dict[str, str]) -> Forked:
        with self._lock:
            if self._parent is None:
                command = [sys.executable, "-c", PARENT]
                self._parent = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            assert self._parent.stdin is not None
            assert self._parent.stdout is not None
            self._parent.stdin.write(json.dumps([str(folder), str(log), environment, arguments]) + "\n")
            self._parent.stdin.flush()
            return Forked(int(self._parent.stdout.readline()))

    def close(self) -> None:
        """End it; what it has started ends by its own id."""
        if self._parent is not None:
            self._parent.communicate()
            self._parent = None
