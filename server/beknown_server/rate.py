"""How often somebody may ask.

Rules:
- Pure but for its memory: ``now`` is handed in. What is remembered of whom is bounded.
"""

from __future__ import annotations

import threading
from math import ceil

MINUTE_MS = 60_000
MOST_KNOWN = 100_000  # whose requests are counted; a botnet must not fill the memory


class Rate:
    """How often somebody may ask: ``most`` times at once, and so often again within a minute; 0 is any number.

    Our own twenty lines, because the library for it starts a thread per request and then looks at all it knows.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._left: dict[str, tuple[float, int]] = {}  # who -> how often they may ask, as it was at a time
        self._lock = threading.Lock()

    def wait_ms(self, who: str, *, now: int) -> int:
        """Count one request of somebody's; give 0, or for how many ms they have to wait."""
        with self._lock:
            left, at = self._left.pop(who, (float(self.most), now))
            left = min(self.most, left + (now - at) * self.most / MINUTE_MS)
            self._left[who] = (left - 1 if left >= 1 else left, now)  # whoever asked last stands last
            if len(self._left) > MOST_KNOWN:
                del self._left[next(iter(self._left))]
        return 0 if left >= 1 else ceil((1 - left) * MINUTE_MS / self.most)
