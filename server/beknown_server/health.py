"""For whoever runs the server: is it alive, is it ready, what has it counted."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue

from .errors import Misconfigured, TooBusy
from .site import current_site

bp = Blueprint("health", __name__)


@bp.get("/healthz/live")
def live() -> ResponseReturnValue:
    """Answer 200 as long as the process answers at all."""
    return jsonify(status="alive")


@bp.get("/healthz/ready")
def ready() -> ResponseReturnValue:
    """Answer 200 if events can be stored now, else 503 with what is missing."""
    store = current_site().store
    try:
        pending = store.pending_migrations()
        if not pending:
            store.check()
    except (Misconfigured, TooBusy, OSError) as error:
        return jsonify(status="not ready", detail=str(error)), 503
    if pending:
        detail = f"the database lacks these migrations: {', '.join(pending)}. Run: beknown migrate"
        return jsonify(status="not ready", pending=pending, detail=detail), 503
    return jsonify(status="ready")


@bp.get("/metrics")
def metrics() -> ResponseReturnValue:
    """Answer with the counters for Prometheus."""
    site = current_site()
    return Response(site.metrics.written(waiting=site.store.waiting), mimetype="text/plain; version=0.0.4")
