"""Work that comes round: a thread of its own that looks after every project again and again until the server stops."""

from __future__ import annotations

import logging
import threading

from .errors import TooBusy
from .site import Site
from .store import Project


class Rounds:
    """The thread; ``look_at`` is what a kind of work does for one project. ``every_s`` lies between two rounds."""

    name = "rounds"
    ailing_s = 60.0  # to the next round after one that failed

    def __init__(self, site: Site, *, every_s: float) -> None:
        self._site = site
        self._every_s = every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"beknown-{self.name}", daemon=True)

    def start(self) -> None:
        """Begin with the first round."""
        self._thread.start()

    def stop(self) -> None:
        """End after the step under way."""
        self._stopping.set()
        self._thread.join()

    def look_at(self, project: Project) -> object:
        """Do what is to be done for one project."""
        raise NotImplementedError

    def _run(self) -> None:
        while not self._stopping.is_set():
            pause = self._every_s
            try:
                for project in self._site.store.projects():
                    self.look_at(project)
            except TooBusy:
                pass  # those who send go first; it is tried again
            except Exception:  # the threshold of this thread: a sick database may get well
                logging.getLogger(f"beknown.{self.name}").exception("this round failed; the next begins in a while")
                pause = max(pause, self.ailing_s)
            self._stopping.wait(pause)
