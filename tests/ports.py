"""Ports for the tests' servers, which nobody else takes between their being chosen and their being bound.

The system gives any port of its upper range to whoever connects or asks for a free one, also the one that was free a
moment ago: a test then spoke to another test's server, and its own could not start. Ours lie below, and each worker
has its own.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from itertools import count

WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
FIRST, EACH = 12_000 + 2_000 * (WORKER % 10), 2_000  # above 10,080, which browsers refuse; Linux gives 32,768 and more
_turns = count(os.getpid() * 97)  # two runs on one machine begin at different ones


def free_port() -> int:
    """Give a port of 127.0.0.1 that is free."""
    for turn in _turns:
        port = FIRST + turn % EACH
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("turns do not end")
