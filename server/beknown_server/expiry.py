"""How long events are kept: a project's ``retention_days``. What is older goes, in small steps, from store and copy.

Rules:
- One process at a time takes it out of the store (a task there); whichever comes first after that one has ended.
- While events are forwarded, what the other collector does not have yet stays there, however old.
- Every process looks to the copy: its folder may be on another host than the one that takes out of the store. A period
  that was lifted or made longer counts there at once, with all that is still stored.
- A step is one short transaction among those of the senders; between two of them they have their turn.
"""

from __future__ import annotations

import logging
from typing import Any

from .rounds import Rounds
from .site import Site, now_ms
from .store import Project

HOUR_MS = 3600 * 1000
DAY_MS = 24 * HOUR_MS
LOOK_S = 300.0  # between two looks at what has grown old
STEP = 1000  # events; some tens of milliseconds
PAUSE_S = 0.1
LEASE_MS = 60_000

log = logging.getLogger("beknown.expiry")


class Expiry(Rounds):
    """The thread that takes out what is older than a project keeps. ``holder`` is this process's name for tasks."""

    name = "expiry"

    def __init__(self, site: Site, *, holder: str, every_s: float = LOOK_S) -> None:
        super().__init__(site, every_s=every_s)
        self._holder = holder

    def look_at(self, project: Project) -> int:
        """Take out what a project keeps no longer; give how many events that were."""
        before, gone = _before(project.options.get("retention_days")), 0
        self._site.columns.forget_before(project.id, before)
        if not before:
            return 0
        collector = self._site.settings.collector()
        while self._holds(project) and not self._stopping.is_set():
            step = self._site.store.upkeep.erase_before(project.id, before, limit=STEP, collector=collector)
            gone += step
            if step < STEP:
                break
            self._stopping.wait(PAUSE_S)
        if gone:
            log.info("%d events of project %d were older than it keeps", gone, project.id)
        return gone

    def _holds(self, project: Project) -> bool:
        now = now_ms()
        name = f"expiry of {project.id}"
        return self._site.store.upkeep.take_task(name, holder=self._holder, now=now, until=now + LEASE_MS)


def _before(days: Any) -> int:
    """Give the time before which events are too old: whole hours, for a file of the copy is written anew for each."""
    if not isinstance(days, int) or days < 1:
        return 0
    before = now_ms() - days * DAY_MS
    return before - before % HOUR_MS
