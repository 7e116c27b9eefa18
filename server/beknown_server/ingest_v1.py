"""Events in over PostHog's newer wire: opt-in in its SDKs, on routes of its own (envelope.py says how it differs).

Rules:
- 200 once the events are durable, also if all were dropped: the answer says of each what became of it.
- A refusal has the older wire's fields, and this one's: ``error``, ``error_description``, ``error_uri``.
"""

from __future__ import annotations

import orjson
from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response as AnyResponse

from .admission import not_too_fast, project_of
from .body import body_of
from .cors import mirrored
from .envelope import heading, opened, results
from .errors import Refusal
from .inflate import inflated
from .ingest import MIB, accept, leave_out
from .payload import parsed
from .site import answered, current_site, now_ms

ROUTES = ("/i/v1/analytics/events", "/i/v1/ai/events")
MAX_BODY = 10 * MIB
MAX_INFLATED = 50 * MIB

bp = Blueprint("ingest_v1", __name__)
bp.before_request(not_too_fast)
bp.after_request(mirrored)


def receive() -> ResponseReturnValue:
    """Take a batch; answer for each of its events once they are durable."""
    if request.method == "OPTIONS":
        return Response(status=200)
    site, now = current_site(), now_ms()
    head = heading({name.lower(): value for name, value in request.headers})
    project = project_of(site, head.key)
    body = body_of(MAX_BODY)
    sent = opened(parsed(inflated(body, head.encoding, limit=MAX_INFLATED) if head.encoding else body), head.library)
    leave_out(site, project, [(one.dropped, one.raw) for one in sent if one.dropped], now)
    good = [one for one in sent if not one.dropped]
    outcome = accept(site, project, [one.raw for one in good], sent_at=head.sent_at, now=now)
    skipped = {good[index].uuid: reason for index, reason in outcome.skipped}
    return Response(orjson.dumps({"results": results(sent, skipped)}), mimetype="application/json")


@bp.errorhandler(Refusal)
def refused(refusal: Refusal) -> AnyResponse:
    """Answer with a reason, in this wire's words too."""
    response = answered(refusal)
    said = orjson.loads(response.data)
    warnings = current_site().settings.public_url() + "/warnings"
    said |= {"error": said["code"], "error_description": said["detail"], "error_uri": warnings}
    response.data = orjson.dumps(said)
    return response


for _route in ROUTES:
    for _rule in (_route, _route + "/"):
        bp.add_url_rule(_rule, _rule.replace("/", "_"), receive, methods=["POST", "OPTIONS"])
