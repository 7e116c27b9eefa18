"""PostHog's newer wire (v1): headers say what the body said before, and each event has an answer of its own.

    headers + {"created_at", "batch": [{"event", "uuid", "distinct_id", "timestamp", "options", ...}]}
    -> {"results": {uuid: {"result": "ok" | "warning" | "drop", "details": why}}}

Rules (posthog-server §1.12):
- Pure. An event is turned into the older shape, so that everything behind it is the same; the older wire's lenience
  is gone: what was cut or guessed there is dropped here, by name.
- A batch is refused as a whole only where its answer could not be written: no events, no uuids, the same one twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from beknown.wire import BLANKS, MAX_ID, MAX_NAME, is_junk

from .bags import as_id
from .errors import Unauthorized, Unusable, WrongType
from .inflate import ENCODINGS
from .moments import moment
from .payload import events_of

# why an event is left out (intake.SKIPS) -> what this wire calls it
DETAILS = {
    "not an object": "malformed_event",
    "no event name": "missing_event_name",
    "event name too long": "event_name_too_long",
    "no distinct_id": "missing_distinct_id",
    "blank distinct_id": "missing_distinct_id",
    "distinct_id too long": "distinct_id_too_large",
    "timestamp is not RFC 3339": "invalid_event_timestamp",
    "properties are not an object": "malformed_event_properties",
    "options are not understood": "invalid_options",
    "event over 1 MiB": "event_too_big",
}
# option -> its type, the property that it was on the older wire
OPTIONS: dict[str, tuple[type, str]] = {
    "cookieless_mode": (bool, "$cookieless_mode"),
    "disable_skew_correction": (bool, "$ignore_sent_at"),
    "process_person_profile": (bool, "$process_person_profile"),
    "product_tour_id": (str, "$product_tour_id"),
}
LIFTED = {"session_id": "$session_id", "window_id": "$window_id"}
SENDER = "Update the SDK, or send to /batch/ if you write your own."

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


@dataclass(frozen=True, slots=True)
class Heading:
    """What the headers say: the project's key, the sender's clock in ms, its library, how the body is compressed."""

    key: str
    sent_at: int
    library: str
    encoding: str


@dataclass(frozen=True, slots=True)
class Sent:
    """One event: its uuid as it came; in the older shape; or the reason why it is left out, one of intake.SKIPS."""

    uuid: str
    raw: dict[str, Any]
    dropped: str | None


def heading(headers: Mapping[str, str]) -> Heading:
    """Give what the headers say; their names are in lower case.

    Raises Unauthorized (no key), Unusable (one is missing or wrong) and WrongType.
    """
    scheme, _, key = headers.get("authorization", "").strip().partition(" ")
    if not scheme:
        raise Unauthorized("missing_key", "there is no Authorization header.", fix="Send Authorization: Bearer <key>.")
    if scheme.lower() != "bearer" or not key.strip():
        raise Unusable("bad_header", "Authorization is not of the form Bearer <project key>.", fix=SENDER)
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    encoding = headers.get("content-encoding", "").strip().lower()
    if kind != "application/json":
        raise WrongType("wrong_content_type", f"the body is {kind[:80]!r}.", fix="Send application/json.")
    if encoding not in ("", "identity", *ENCODINGS):
        raise WrongType(
            "wrong_encoding", f"the body is compressed as {encoding[:80]!r}.", fix=f"Send {', '.join(ENCODINGS)}."
        )
    sent_at = _instant(_required(headers, "PostHog-Request-Timestamp"))
    attempt = _required(headers, "PostHog-Attempt")
    library = _required(headers, "PostHog-Sdk-Info")
    _required(headers, "User-Agent")
    checks = {
        "PostHog-Request-Timestamp is no RFC 3339 time": sent_at is not None,
        "PostHog-Attempt is no number from 1": attempt.isascii() and attempt.isdigit() and int(attempt[:9]) > 0,
        "PostHog-Request-Id is no UUID": _uuid(_required(headers, "PostHog-Request-Id")) is not None,
        "PostHog-Sdk-Info is not of the form library/version": "/" in library.strip("/"),
    }
    for wrong, right in checks.items():
        if not right:
            raise Unusable("bad_header", f"the header {wrong}.", fix=SENDER)
    return Heading(key.strip(), sent_at or 0, library, "" if encoding == "identity" else encoding)


def opened(document: Any, library: str) -> list[Sent]:
    """Give the events of a body, in its order. Raises Unusable and TooLarge for the batch as a whole."""
    outer = document if isinstance(document, dict) else {}
    if "batch" not in outer:
        raise Unusable("not_events", "the body has no batch.", fix='Send {"created_at": ..., "batch": [...]}.')
    if _instant(outer.get("created_at")) is None:
        raise Unusable("bad_created_at", "created_at is no RFC 3339 time.", fix=SENDER)
    name, _, version = library.partition("/")
    found = [_sent(event, {"$lib": name, "$lib_version": version}) for event in events_of(outer["batch"])]
    if len({_uuid(one.uuid) for one in found}) < len(found):
        raise Unusable("repeated_uuid", "two events of the batch have the same uuid.", fix="Give each its own.")
    return found


def results(sent: list[Sent], skipped: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Give the answer for each event; ``skipped``: the reasons why events were left out further on, by uuid."""
    answers: dict[str, dict[str, str]] = {}
    for one in sent:
        reason = one.dropped or skipped.get(one.uuid)
        if reason:
            answers[one.uuid] = {"result": "drop", "details": DETAILS.get(reason, reason)}
        elif is_junk(as_id(one.raw.get("distinct_id"))):
            answers[one.uuid] = {"result": "warning", "details": "person_processing_disabled"}
        else:
            answers[one.uuid] = {"result": "ok"}
    return answers


def _sent(event: Any, library: dict[str, str]) -> Sent:
    uuid = event.get("uuid") if isinstance(event, dict) else None
    if _uuid(uuid) is None:
        raise Unusable("bad_uuid", "an event of the batch has no uuid, or none that is a UUID.", fix=SENDER)
    properties, options = event.get("properties"), event.get("options")
    dropped = _fault(event, properties, options)
    raw = {key: value for key, value in event.items() if key not in ("options", *LIFTED)}
    raw["properties"] = {**library, **(properties if isinstance(properties, dict) else {})}  # also to say who sent it
    if not dropped:
        lifted = {property: event[key] for key, property in LIFTED.items() if isinstance(event.get(key), str)}
        chosen = {OPTIONS[key][1]: value for key, value in (options or {}).items() if key in OPTIONS}
        told = {name: value for name, value in chosen.items() if value is not None}
        raw["properties"] |= {**lifted, **told}
    if isinstance(raw.get("distinct_id"), str):
        raw["distinct_id"] = raw["distinct_id"].strip(BLANKS)
    return Sent(str(uuid), raw, dropped)


def _fault(event: dict[str, Any], properties: Any, options: Any) -> str | None:
    """Give why an event is dropped here that the older wire would have mended; intake.py drops the others."""
    name, distinct_id = event.get("event"), event.get("distinct_id")
    if isinstance(name, str) and len(name) > MAX_NAME:
        return "event name too long"
    if distinct_id is not None and len(as_id(distinct_id).strip(BLANKS)) > MAX_ID:
        return "distinct_id too long"
    if _instant(event.get("timestamp")) is None:
        return "timestamp is not RFC 3339"
    if properties is not None and not isinstance(properties, dict):
        return "properties are not an object"
    given = {} if options is None else options
    if not isinstance(given, dict) or not all(
        given.get(key) is None or isinstance(given[key], kind) for key, (kind, _) in OPTIONS.items()
    ):
        return "options are not understood"
    return None


def _required(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name.lower(), "").strip()
    if not value:
        raise Unusable("bad_header", f"the header {name} is missing.", fix=SENDER)
    return value


def _instant(text: Any) -> int | None:
    return moment(text) if isinstance(text, str) and _RFC3339.fullmatch(text.strip()) else None


def _uuid(text: Any) -> UUID | None:
    try:
        return UUID(text) if isinstance(text, str) else None
    except ValueError:
        return None
