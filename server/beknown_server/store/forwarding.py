"""How far events have been forwarded, and by which process: the durable half of forward.py.

Rules:
- One process at a time holds a project's lease; others take over when it has run out.
- The cursor only grows, and only the holder moves it. A crash before that sends some events again, with their uuids.
- What was stored before forwarding was switched on stays here.
"""

from __future__ import annotations

from .writer import Connection


def begin(db: Connection, project_id: int, collector: str, *, since: int) -> None:
    """Unless it has begun already: count what was received before ``since`` (ms) as forwarded."""
    db.many("forward.begin", [{"project_id": project_id, "collector": collector, "since": since}])


def lease(db: Connection, project_id: int, collector: str, *, holder: str, now: int, until: int) -> int | None:
    """Take or keep the lease until a time (ms); give the ``seq`` forwarded last, None if somebody else holds it."""
    key = {"project_id": project_id, "collector": collector, "holder": holder}
    db.many("forward.lease", [{**key, "now": now, "until": until}])
    rows = db.all("forward.held", **key)
    return int(rows[0]["seq"]) if rows else None


def advance(db: Connection, project_id: int, collector: str, *, holder: str, seq: int) -> None:
    """Note that the collector has every event up to ``seq``."""
    db.many("forward.advance", [{"project_id": project_id, "collector": collector, "holder": holder, "seq": seq}])
