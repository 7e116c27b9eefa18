"""The core in a Web Worker: one function, JSON text in and JSON text out.

worker.js calls ``handle`` with a message and carries out the effects it answers with:

    {"facts": {"agent", "brands", "language", "timezone", "offset"}}    first: what the worker knows as well as the page
    {"start": {"facts", "options", "stored"}, "stored": [cookie, ""]?}
                                then, once; options are the tag's, its key among them; a newer copy of the cookie if any
    {"calls": [[call id, text], ...], "stored": [cookie, local]?, "hooked": as the fact}
    {"stored": [cookie, local]?, "again": [[call id, text], ...]}    another tab was faster: what was done is not stored
    {"answer": {"status", "retry_after", "detail"}}    to the last "send"
    {"wake": true}  {"online": true}

Beside the tracker's effects it answers with ["send", body] and ["wake", ms from now].

Rules:
- Everything crosses the border as one JSON text: whole numbers beyond 32 bits are truncated there, undefined
  becomes an object that raises on repr, and a proxy would have to be freed by hand.
- The clock and the dice are read here and nowhere deeper.
"""

import json
import random
import time

from .. import ids
from ..tracker import Tracker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Worker:
    """Holds the tracker between messages."""

    def __init__(self) -> None:
        self.tracker: "Tracker | None" = None
        self.facts: "dict[str, Any]" = {}

    def handle(self, text: str) -> str:
        """Run one message and give the effects, both as JSON text."""
        message = json.loads(text)
        now = time.time() * 1000
        if "facts" in message:
            self.facts = message["facts"]
            return "[]"
        if "start" in message:
            start = message["start"]
            start["facts"].update(self.facts)
            seed = ids.uuid7(now, bytes([random.getrandbits(8) for _ in range(ids.RANDOM_BYTES)]))
            options = start["options"]
            self.tracker = Tracker(options["key"], start["facts"], start["stored"], seed=seed, options=options)
        tracker = self.tracker
        if tracker is None:
            raise RuntimeError('the first message must be {"start": ...}')
        tracker.facts["now"] = int(now)
        if message.get("stored"):
            tracker.follow(message["stored"])
        if "hooked" in message:
            tracker.hooked = message["hooked"]
        for call, entry in message.get("calls", []):
            tracker.take(call, entry)
        for call, entry in message.get("again", []):
            tracker.again(call, entry)
        if "answer" in message:
            answer = message["answer"]
            tracker.answered(
                answer["status"],
                now,
                chance=random.random(),
                retry_after=answer["retry_after"],
                detail=answer["detail"],
            )
        if "online" in message:
            tracker.retry_now()
        return json.dumps(self._effects(tracker, now))

    def _effects(self, tracker: Tracker, now: float) -> "list[list[Any]]":
        body = tracker.request(now)
        effects = tracker.effects()
        if body is not None:
            effects.append(["send", body])
        wake = tracker.wake_at()
        if wake is not None:
            effects.append(["wake", max(wake - now, 0)])
        return effects


handle = Worker().handle
