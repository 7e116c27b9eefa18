"""The columnar copies follow the store by themselves, so that nobody waits for what came in a night without questions.

Rules:
- Only where there is a copy: one that somebody asked, or files of one. A little that is new waits for the question.
- One process reads ahead for all that share the files: the others' processors are the events'.
- Here it is only looked; what is to be read is read by the copy's own thread (replica.py), which ends with the copy.
"""

from __future__ import annotations

import logging
import threading

from .site import Site

LOOK_S = 5.0  # between two looks
AILING_S = 60.0  # after one that failed

log = logging.getLogger("beknown.columns")


class Follower:
    """The thread that has the copies of a site read on when much is new or somebody was deleted."""

    def __init__(self, site: Site, *, every_s: float = LOOK_S) -> None:
        self._site = site
        self._every_s = every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="beknown-follow", daemon=True)

    def start(self) -> None:
        """Begin to look, every LOOK_S."""
        self._thread.start()

    def stop(self) -> None:
        """End after the look under way."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        pause = self._every_s
        while not self._stopping.wait(pause):
            pause = self._every_s
            try:
                for project in self._site.store.projects():
                    self._site.columns.follow(project.id)
            except Exception:  # the threshold of this thread: a sick database may get well
                log.exception("the columnar copies could not follow; trying again in a minute")
                pause = AILING_S
