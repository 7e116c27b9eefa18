"""An AI event in parts (``POST /i/v0/ai``): multipart, so that a long prompt is a part and not a JSON string.

    event                     the event as JSON, without its properties or with them
    event.properties          its properties as JSON
    event.properties.<name>   one large property: JSON or text, else only its size is kept

Rules (posthog-server §1.1): the key stands in the header, ``Authorization: Bearer``, or in the event; what the parts
make is taken as any other event is, with the same limits.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import RequestEntityTooLarge

from .admission import not_too_fast, project_of
from .body import too_large
from .cors import mirrored
from .errors import Refusal, Unusable, WrongType
from .ingest import MIB, accept, answer_to
from .payload import delivery, parsed
from .site import current_site, now_ms

MAX_BODY = 27 * MIB
MAX_PARTS = 100
PROPERTIES = "event.properties"

bp = Blueprint("parts", __name__)
bp.before_request(not_too_fast)
bp.after_request(mirrored)


def receive() -> ResponseReturnValue:
    """Take one event in parts; answer which parts were read once it is durable."""
    if request.method == "OPTIONS":
        return Response(status=200)
    site, now = current_site(), now_ms()
    parts = _parts()
    event = _event(parts)
    sent = delivery(event, query=request.args)
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    project = project_of(site, key.strip() if scheme.lower() == "bearer" else sent.key)
    outcome = accept(site, project, sent.events, sent_at=sent.sent_at, now=now)
    return answer_to(project, outcome, 1, accepted_parts=list(parts))


def _parts() -> dict[str, bytes]:
    """Give the parts by name. Raises TooLarge and WrongType."""
    if request.mimetype != "multipart/form-data":
        raise WrongType("wrong_content_type", "the body is not in parts.", fix="Send multipart/form-data.")
    request.max_content_length = request.max_form_memory_size = MAX_BODY
    request.max_form_parts = MAX_PARTS
    try:
        given: dict[str, str | FileStorage] = {**request.form, **request.files}
    except RequestEntityTooLarge:
        raise too_large(MAX_BODY) from None
    return {name: part.encode() if isinstance(part, str) else part.read() for name, part in given.items()}


def _event(parts: dict[str, bytes]) -> dict[str, Any]:
    if "event" not in parts:
        raise Unusable("no_event_part", "no part is called event.", fix="Send the event's JSON as the part event.")
    event, properties = parsed(parts["event"]), parsed(parts.get(PROPERTIES, b"{}"))
    if not isinstance(event, dict) or not isinstance(properties, dict):
        raise Unusable("not_events", "event and event.properties are JSON objects.", fix="Look what the sender sends.")
    inner = event.get("properties")
    prefix = PROPERTIES + "."
    large = {name[len(prefix) :]: _read(part) for name, part in parts.items() if name.startswith(prefix)}
    return {**event, "properties": {**(inner if isinstance(inner, dict) else {}), **properties, **large}}


def _read(part: bytes) -> Any:
    for read in (parsed, bytes.decode):
        with suppress(Refusal, UnicodeDecodeError):
            return read(part)
    return f"{len(part)} bytes"


for _rule in ("/i/v0/ai", "/i/v0/ai/"):
    bp.add_url_rule(_rule, _rule.replace("/", "_"), receive, methods=["POST", "OPTIONS"])
