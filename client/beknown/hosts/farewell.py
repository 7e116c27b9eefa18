"""The farewell: what a page that is left hands to the server's Python, by a request that outlives the page.

Rules:
- The body is that of ``POST /run``, as static/beknown.js sends it. The server keeps one of each event, should they
  leave by another way as well; the journal keeps all for the next page.
"""

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


LARGEST = 50000  # bytes; what is larger by itself is passed over: 64 KiB go, and it would keep the others


def send(visit: "dict[str, Any]", calls: "list[list[str]]", beacon: "Callable[[str], bool]") -> None:
    """Let a visit's calls, each an id and its text, leave: as many as the browser takes, the oldest first."""
    calls = [call for call in calls if len(json.dumps(call).encode()) < LARGEST]
    while calls and not beacon(json.dumps(dict(visit, calls=calls))):
        calls = calls[: len(calls) // 2]
