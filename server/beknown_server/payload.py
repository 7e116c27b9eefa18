"""What came over the wire, unwrapped: from any of the forms that PostHog's SDKs send to a list of events.

    ?data= or body -> base64? -> form? -> gzip? -> base64 again (old routes) -> JSON -> one event, a list, or a batch

Rules (posthog-server §1.3 to §1.5):
- Pure, and it expects the worst: every step has a limit that holds *while* it works, not afterwards.
- The content type is believed only when it says form; else the body is the payload. Gzip is known by its magic.
- Nothing here looks into an event; intake.py does.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import orjson

from .errors import TooLarge, Unauthorized, Unusable
from .moments import moment

MAX_CONTAINERS = 500_000  # objects and lists in one body: each costs some 60 bytes of memory, whatever its text costs
FORM = "application/x-www-form-urlencoded"
GZIP = b"\x1f\x8b\x08"
YEAR_2020 = 1_577_836_800_000

_BASE64 = re.compile(rb"[A-Za-z0-9+/]+={0,2}")


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request's worth of events: ``key`` is the project's, ``sent_at`` the sender's clock in ms, if it said."""

    key: str | None
    events: list[Any]
    sent_at: int | None


def unwrapped(body: bytes, *, content_type: str, query: Mapping[str, str], limit: int, legacy: bool) -> Any:
    """Give the JSON document of a request. ``limit``: bytes after inflating; ``legacy``: a second base64 is tried.

    Raises Unusable and TooLarge.
    """
    payload = query.get("data", "").encode() or body
    if not payload.strip():
        raise Unusable("empty", "the request has no body and no data parameter.", fix="Send events as JSON.")
    is_form = content_type.partition(";")[0].strip().lower() == FORM and not query.get("data")
    if is_form and not payload.lstrip().startswith((b"{", b"[", GZIP)):  # curl -d says form of everything
        payload = _form_data(payload)
    payload = _unbase64(payload)
    if query.get("compression") in ("lz64", "lz-string"):
        raise Unusable("lz64", "LZ-String compression is not read here.", fix="Update posthog-js: it uses gzip now.")
    if payload.startswith(GZIP):
        payload = inflated(payload, limit=limit)
    if legacy:
        payload = _unbase64(payload)
    if len(payload) > limit:
        raise _too_large(limit)
    return _parsed(payload)


def inflated(payload: bytes, *, limit: int) -> bytes:
    """Give what gzip holds; raise TooLarge as soon as it grows over ``limit`` bytes, Unusable if it is damaged."""
    engine = zlib.decompressobj(wbits=31)
    try:
        result = engine.decompress(payload, limit + 1)  # stops there, whatever else would come out
    except zlib.error as error:
        raise Unusable(
            "bad_gzip", f"the body starts like gzip but is damaged: {error}.", fix="Send it again."
        ) from None
    if len(result) > limit:
        raise _too_large(limit)
    if not engine.eof:
        raise Unusable("bad_gzip", "the body starts like gzip but ends too early.", fix="Send it again.")
    return result


def delivery(document: Any, *, query: Mapping[str, str]) -> Delivery:
    """Give the events of a document: one event, a list of them, or an object with a ``batch``."""
    outer = document if isinstance(document, dict) else {}
    batch = outer.get("batch") if "batch" in outer and "event" not in outer else None
    events = batch if batch is not None else document
    if isinstance(events, dict):
        events = [events]
    if not isinstance(events, list):
        raise Unusable(
            "not_events", "the body is JSON but holds no events.", fix="Send an event, a list or {batch: [...]}."
        )
    if not events:
        raise Unusable("empty_batch", "the batch holds no events.", fix="Send at least one.")
    sent_at = moment(outer.get("sent_at"))
    if sent_at is None:
        sent_at = _from_query(query)
    return Delivery(_key(outer, events, query), events, sent_at)


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
    at = moment(query.get("_") or query.get("sent_at"))
    return at if at is not None and at > YEAR_2020 else None  # an older one was sent in seconds


def _form_data(body: bytes) -> bytes:
    try:
        fields = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        fields = {}
    if "data" not in fields:
        raise Unusable("bad_form", "the body says it is a form but has no data field.", fix="Send JSON as text/plain.")
    # A plus sign that was not escaped has become a blank.
    data = fields["data"][0].encode()
    return data if data.lstrip().startswith((b"{", b"[")) else data.replace(b" ", b"+")


def _unbase64(payload: bytes) -> bytes:
    text = payload.strip()
    if len(text) % 4 or not _BASE64.fullmatch(text):
        return payload
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return payload


def _parsed(payload: bytes) -> Any:
    if payload.count(b"{") + payload.count(b"[") > MAX_CONTAINERS:
        raise TooLarge(
            "too_nested", f"the body holds over {MAX_CONTAINERS} objects and lists.", fix="Send less at once."
        )
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        if b"\\u" not in payload and b"NaN" not in payload and b"Infinity" not in payload:
            raise _not_json(error) from None
    # Half an emoji at the end of a cut text is what browsers send; NaN is what Python's json writes.
    try:
        return _mended(json.loads(payload, parse_constant=lambda _: None))
    except (ValueError, RecursionError) as error:
        raise _not_json(error) from None


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_mended(inner) for inner in value]
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        return str(value)  # beyond what the store's JSON can hold
    if isinstance(value, dict):
        return {_mended(name): _mended(inner) for name, inner in value.items()}
    return value


def _not_json(error: Exception) -> Unusable:
    return Unusable(
        "not_json", f"the body is not JSON: {str(error)[:200]}.", fix="Send events as JSON, gzip or base64."
    )


def _too_large(limit: int) -> TooLarge:
    return TooLarge("inflated_too_large", f"the body inflates to over {limit} bytes.", fix="Send smaller batches.")
