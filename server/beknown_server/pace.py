"""The pace that all who are behind share: they catch up, and ingestion comes first.

Rules:
- All together are sent BYTES_A_SECOND. Each has its part among those who are behind just now: neither who only watches
  nor whose connection takes nothing (it is never waited for here) makes the others' parts smaller.
- Parts are equal, so that readers who fell behind together stay together, and share what is read and drawn for them.
- Whoever waits tells its connection so, and looks whether the process is to end, every LOOK_SECONDS.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

BYTES_A_SECOND = 16_000_000  # sending 600 MB takes a processor
LOOK_SECONDS = 1.0
HEARTBEAT = b": still here\n\n"  # of a stream: a line that its reader skips


class Pace:
    """The turns of one feed's viewers; threads share it."""

    def __init__(self, is_stopping: Callable[[], bool]) -> None:
        self._is_stopping = is_stopping
        self._behind: set[object] = set()  # who waits for a turn, or for what it is to be sent then

    def turn(self, who: object, size: int) -> Iterator[bytes]:
        """Wait as long as so many bytes are to take, or until the process is to end; give heartbeats meanwhile."""
        self._behind.add(who)
        left = float(size)
        while left >= 1 and not self._is_stopping():
            part = BYTES_A_SECOND / len(self._behind)
            pause = min(left / part, LOOK_SECONDS)
            time.sleep(pause)
            left -= pause * part
            if left >= 1:
                yield HEARTBEAT

    def leave(self, who: object) -> None:
        """Count somebody no more, who waits for nothing now: it is sent something, or has gone."""
        self._behind.discard(who)
