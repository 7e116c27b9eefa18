"""What came over the wire, unwrapped: from any of the forms that PostHog's SDKs send to a list of events.

    ?data= or body -> form? -> LZ-String? -> base64? -> gzip? -> base64 again (old routes) -> JSON
    -> one event, a list, or a batch

Rules (posthog-server §1.3 to §1.5):
- Pure, and it expects the worst: every step has a limit that holds *while* it works, not afterwards.
- The content type is believed only when it says form; else the body is the payload. Gzip is known by its magic.
- Only LZ-String must be announced (address, form or Content-Encoding, in this order): it looks like base64. Any other
  announcement is ignored, also a wrong one.
- Nothing here looks into an event; intake.py does.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any
from urllib.parse import parse_qs

import orjson

from . import lzstring
from .bags import mended
from .errors import TooLarge, Unauthorized, Unusable
from .inflate import GZIP, inflated
from .moments import moment

MAX_EVENTS = 50_000  # in one request
# Parts of one body: each costs memory (an object 60 to 230 bytes, any other value some 60), whatever its text costs.
MAX_CONTAINERS = 200_000  # objects and lists
MAX_COMMAS = 2_000_000
FORM = "application/x-www-form-urlencoded"
LZ = ("lz64", "lz-string")
SMALLER = "Send smaller batches."
YEAR_2020 = 1_577_836_800_000

_MS = re.compile(r"[0-9]{1,14}")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]+={0,2}")


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request's worth of events: ``key`` is the project's, ``sent_at`` the sender's clock in ms, if it said."""

    key: str | None
    events: list[Any]
    sent_at: int | None


def unwrapped(
    body: bytes, *, content_type: str, query: Mapping[str, str], limit: int, legacy: bool, encoding: str = ""
) -> Any:
    """Give the JSON document of a request. ``limit``: bytes after inflating; ``legacy``: a second base64 is tried.

    Raises Unusable and TooLarge.
    """
    payload, hint = _plus_signs(query.get("data", "")), query.get("compression")
    if not payload.strip(b" +"):
        payload, announced = _of_body(body, content_type)
        hint = hint or announced or encoding
    if not payload.strip():
        raise Unusable("empty", "the request has no body and no data parameter.", fix="Send events as JSON.")
    if (hint or "").strip().lower() in LZ and not payload.lstrip().startswith((b"{", b"[", GZIP)):
        return parsed(_unlz(payload))
    payload = _unbase64(payload)
    if payload.startswith(GZIP):
        payload = inflated(payload, "gzip", limit=limit)
    if legacy:
        payload = _unbase64(payload)
    if len(payload) > limit:
        raise TooLarge("body_too_large", f"the body is over {limit} bytes.", fix=SMALLER)
    return parsed(payload)


def delivery(document: Any, *, query: Mapping[str, str]) -> Delivery:
    """Give the events of a document: one event, a list of them, or an object with a ``batch``."""
    outer = document if isinstance(document, dict) else {}
    batch = outer.get("batch") if "batch" in outer and "event" not in outer else None
    events = events_of(batch if batch is not None else document)
    sent_at = moment(outer.get("sent_at"))
    if sent_at is None:
        sent_at = _from_query(query)
    return Delivery(_key(outer, events, query), events, sent_at)


def events_of(events: Any) -> list[Any]:
    """Give one event or a list of them as a list. Raises Unusable for neither or none, TooLarge for too many."""
    if isinstance(events, dict):
        events = [events]
    if not isinstance(events, list):
        raise Unusable(
            "not_events", "the body is JSON but holds no events.", fix="Send an event, a list or {batch: [...]}."
        )
    if not events:
        raise Unusable("empty_batch", "the batch holds no events.", fix="Send at least one.")
    if len(events) > MAX_EVENTS:
        raise TooLarge("too_many_events", f"the batch holds over {MAX_EVENTS} events.", fix=SMALLER)
    return events


def _key(outer: dict[str, Any], events: list[Any], query: Mapping[str, str]) -> str | None:
    own = (
        outer.get("api_key") or outer.get("token") or outer.get("$token") or query.get("api_key") or query.get("token")
    )
    if own:
        return str(own).strip()
    found = {str(key).strip() for event in events if isinstance(event, dict) and (key := _event_key(event))}
    if len(found) > 1:
        raise Unauthorized("several_keys", "the events name several project keys.", fix="Send one request per project.")
    return found.pop() if found else None


def _event_key(event: dict[str, Any]) -> Any:
    properties = event.get("properties")
    inner = properties.get("token") if isinstance(properties, dict) else None
    return event.get("token") or event.get("$token") or event.get("api_key") or inner


def _from_query(query: Mapping[str, str]) -> int | None:
    """Give the sender's clock from the address: ``_`` in ms, or ``sent_at``. One from before 2020 was in seconds."""
    said = query.get("_") or query.get("sent_at") or ""
    at = int(said) if _MS.fullmatch(said) else moment(said)
    return at if at is not None and at > YEAR_2020 else None


def _of_body(body: bytes, content_type: str) -> tuple[bytes, str]:
    """Give the payload of a body, and the compression that a form names."""
    is_form = content_type.partition(";")[0].strip().lower() == FORM
    if not is_form or not body.strip() or body.lstrip().startswith((b"{", b"[", GZIP)):
        return body, ""  # curl -d says form of everything
    try:
        fields = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        fields = {}
    if "data" not in fields:
        raise Unusable("bad_form", "the body says it is a form but has no data field.", fix="Send JSON as text/plain.")
    return _plus_signs(fields["data"][0]), fields.get("compression", [""])[0]


def _plus_signs(data: str) -> bytes:
    """Give base64 its plus signs back: one that was not escaped has become a blank."""
    return (data if data.lstrip().startswith(("{", "[")) else data.replace(" ", "+")).encode()


def _unlz(payload: bytes) -> bytes:
    fix = "Update posthog-js: it uses gzip now."
    try:
        return lzstring.decompressed(payload).encode()
    except lzstring.Damaged as error:
        raise Unusable("bad_lz64", f"the body says it is LZ-String but is damaged: {error}.", fix=fix) from None
    except lzstring.Swollen as error:
        raise TooLarge("inflated_too_large", f"the body is LZ-String and too large: {error}.", fix=fix) from None


def _unbase64(payload: bytes) -> bytes:
    text = payload.strip()
    if len(text) % 4 or not _BASE64.fullmatch(text):
        return payload
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return payload


def parsed(payload: bytes) -> Any:
    """Give the document that a text of JSON is, with what browsers and Python get wrong mended.

    Raises Unusable if it is none, TooLarge if it is made of too many parts.
    """
    large = len(payload) > MAX_CONTAINERS
    if large and payload.count(b"{") + payload.count(b"[") > MAX_CONTAINERS:
        raise TooLarge("too_nested", f"the body holds over {MAX_CONTAINERS} objects and lists.", fix=SMALLER)
    if large and payload.count(b",") > MAX_COMMAS:
        raise TooLarge("too_many_values", f"the body holds over {MAX_COMMAS} values.", fix=SMALLER)
    try:
        return document(payload)
    except ValueError as error:
        raise _not_json(error) from None


def document(text: bytes) -> Any:
    """Give the document that a text of JSON is, however large, mended as well. Raises ValueError if it is none."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        if b"\\u" not in text and b"NaN" not in text and b"Infinity" not in text:
            raise
    # Half an emoji at the end of a cut text is what browsers send; NaN is what Python's json writes.
    try:
        return _mended(json.loads(text, parse_constant=lambda _: None))
    except RecursionError as error:
        raise ValueError(str(error)) from None


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return mended(value)
    if isinstance(value, list):
        return [_mended(inner) for inner in value]
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        value = float(str(value))  # as orjson reads it: the same id is the same, whatever stands beside it
    if isinstance(value, float) and not isfinite(value):
        return None  # 1e999
    if isinstance(value, dict):
        return {_mended(name): _mended(inner) for name, inner in value.items()}
    return value


def _not_json(error: Exception) -> Unusable:
    return Unusable(
        "not_json", f"the body is not JSON: {str(error)[:200]}.", fix="Send events as JSON, gzip or base64."
    )
