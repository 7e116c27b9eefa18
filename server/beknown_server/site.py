"""What every part of the application shares: settings, store, metrics; and how a refusal is answered.

Rules:
- ``current_site()`` is the only way to it, so that the application can be mounted in someone else's.
- Here alone is the clock read; everything below gets ``now``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from flask import Response, current_app, jsonify, request
from werkzeug.exceptions import HTTPException

from .columns import Columns
from .errors import Refusal
from .metrics import Metrics
from .rate import Rate
from .settings import Settings
from .store import Store

EXTENSION = "beknown"

log = logging.getLogger("beknown")


@dataclass(slots=True)
class Site:
    """The shared parts. ``is_stopping``: the process was asked to end; whoever streams should finish."""

    settings: Settings
    store: Store
    metrics: Metrics
    columns: Columns
    keys: Rate  # how often a write key may be used
    addresses: Rate  # how often an address may send
    is_stopping: Callable[[], bool] = field(default=lambda: False)


def current_site() -> Site:
    """Give the site that this request belongs to."""
    site: Site = current_app.extensions[EXTENSION]
    return site


def now_ms() -> int:
    """Give the time in whole milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def answered(refusal: Refusal) -> Response:
    """Give the JSON answer to a refusal, and count it for the warnings page and the metrics."""
    site = current_site()
    site.metrics.refused(refusal.code)
    if refusal.status != 503:  # it could not be written now, and it is nobody's mistake
        example = f"{refusal.example} ({_asker()})"
        site.store.warn(refusal.project_id, refusal.code, example, refusal.fix, now_ms())
    detail = f"{refusal} {refusal.fix}".strip()
    response = jsonify({"type": refusal.type, "code": refusal.code, "detail": detail})
    response.status_code = refusal.status
    response.headers["X-Beknown-Refused"] = refusal.code
    if refusal.retry_after is not None:
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response


def _asker() -> str:
    """Give who asked what: the route without what is personal in it, the page's origin, a program's own name."""
    rule = request.url_rule.rule if request.url_rule else "an unknown route"
    origin, program = request.headers.get("Origin", ""), request.headers.get("User-Agent", "")
    said = [f"{request.method} {rule}", f"from {origin[:120]}" if origin else ""]
    if program and not program.startswith("Mozilla/"):  # every browser says that, and much about its owner
        said.append(f"by {program[:60]}")
    return " ".join(part for part in said if part)


def not_here(error: HTTPException) -> HTTPException | Response:
    """Give the answer to an address or a method that there is not: as JSON with advice, for people the usual page."""
    if request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html":
        return error
    is_method = error.code == 405
    code, fix = ("wrong_method", "Events are sent by POST.") if is_method else ("no_such_route", "Look at the address.")
    detail = f"{request.method} {request.path[:80]} is not a route of this server. {fix}"
    response = jsonify({"type": "not_found", "code": code, "detail": detail})
    response.status_code = error.code or 404
    response.headers["X-Beknown-Refused"] = code
    if is_method:
        response.headers["Allow"] = ", ".join(getattr(error, "valid_methods", None) or ())
    return response
