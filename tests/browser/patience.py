"""How long the browser tests wait for what they await."""

from __future__ import annotations

import time
from typing import Any

PATIENCE = 60.0  # seconds; these machines are shared, and slow is not wrong


def until(question: Any, what: str, patience: float = PATIENCE) -> Any:
    """Ask until the answer is true, and give it."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        answer = question()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"waited {patience:.0f} s in vain: {what}")
