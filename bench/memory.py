"""The most memory this process has held, in MiB, told by Linux.

Not ``ru_maxrss``: that outlives ``exec``, so a program started by a large one would answer for its parent.
"""

from __future__ import annotations

import re
from pathlib import Path


def peak_mib() -> float:
    """Give the largest resident size since the program began."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found, "Linux says it of every process"
    return int(found[1]) / 1024
