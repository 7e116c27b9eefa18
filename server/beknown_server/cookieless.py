"""Visitors who may not be known: counted by a hash of the day, and forgotten with it.

An event with ``$cookieless_mode`` (our tag's, or posthog-js's) names nobody. Here it gets a distinct id that is the
same for the same browser on the same day: a hash of the day's salt, project, network address, browser and site. Neither
address nor salt is stored with it. The salt is replaced on the first such event of another day (UTC), and when the
server starts: from then on nobody, we included, can compute again whose id it was, or link two days.

Rules:
- The id says what it is by how it begins. Such events make no person profile, and cannot identify anybody.
- What could tell two events to be one visitor's beyond the day is taken out, whoever sent it.
- Two people behind one address with the same browser are one visitor here; one person on two networks is two. The
  identity report counts these visitors under ``gpc_or_opted_out``.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from beknown.wire import COOKIELESS
from flask import has_request_context, request

from .store import Project, Store

PREFIX = "cookieless_"
TELLING = ("$device_id", "$session_id", "$window_id", "$sequence", "$user_id", "$anon_distinct_id", "$ip")


def is_nobodys(raw: Any) -> bool:
    """Tell whether an event, as it came, is of somebody who may not be known."""
    properties = raw.get("properties") if isinstance(raw, dict) else None
    if not isinstance(properties, dict):
        return False
    return properties.get("$cookieless_mode") is True or raw.get("distinct_id") == COOKIELESS


def counted(store: Store, project: Project, raw_events: list[Any], now: int) -> list[Any]:
    """Give the events, those that are nobody's under the day's id of the browser that this request comes from."""
    if not any(is_nobodys(raw) for raw in raw_events):
        return raw_events
    salt = store.salt_of(day_of(now))
    address, agent = _sender()
    return [_named(raw, project, salt, address, agent) if is_nobodys(raw) else raw for raw in raw_events]


def day_of(now: int) -> str:
    """Give the day of a time in ms, in UTC."""
    return datetime.fromtimestamp(now / 1000, UTC).date().isoformat()


def _sender() -> tuple[str, str]:
    if not has_request_context():
        return "", ""
    return request.remote_addr or "", request.headers.get("User-Agent", "")


def _named(raw: dict[str, Any], project: Project, salt: str, address: str, agent: str) -> dict[str, Any]:
    given = raw["properties"]
    properties = {name: value for name, value in given.items() if name not in (*TELLING, "distinct_id")}
    properties |= {"$cookieless_mode": True, "$process_person_profile": False}
    parts = (salt, str(project.id), address, agent, str(given.get("$host", "")))
    hashed = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
    kept = {name: value for name, value in raw.items() if name not in ("$set", "$set_once", "$unset")}
    return kept | {"distinct_id": PREFIX + hashed, "properties": properties}
