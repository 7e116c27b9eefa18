"""The columnar copies follow the store by themselves, so that nobody waits for what came in a night without questions.

Rules:
- Only where there is a copy: one that somebody asked, or files of one. A little that is new waits for the question.
- One process reads ahead for all that share the files: the others' processors are the events'.
- Here it is only looked; what is to be read is read by the copy's own thread (replica.py), which ends with the copy.
"""

from __future__ import annotations

from .rounds import Rounds
from .site import Site
from .store import Project

LOOK_S = 5.0  # between two looks


class Follower(Rounds):
    """The thread that has the copies of a site read on when much is new or somebody was deleted."""

    name = "follow"

    def __init__(self, site: Site, *, every_s: float = LOOK_S) -> None:
        super().__init__(site, every_s=every_s)

    def look_at(self, project: Project) -> None:
        """Have the copy of a project read on, if it is worth while."""
        self._site.columns.follow(project.id)
