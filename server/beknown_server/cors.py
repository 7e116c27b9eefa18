"""Answers that any site's page may read: the tag is embedded everywhere, the write key is public.

Rules (posthog-server §1.2): the origin and the headers asked for are mirrored, credentials allowed, OPTIONS is 200.
"""

from __future__ import annotations

from flask import request
from werkzeug.wrappers import Response


def mirrored(response: Response) -> Response:
    """Let the page that asked read the answer, also the reason for a refusal."""
    origin = request.headers.get("Origin")
    if origin is None:
        return response
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Allow-Credentials"] = "true"
    response.headers["Access-Control-Expose-Headers"] = "X-Beknown-Refused, Retry-After"
    response.vary.add("Origin")
    if request.method == "OPTIONS":
        response.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
        asked = request.headers.get("Access-Control-Request-Headers")
        if asked:
            response.headers["Access-Control-Allow-Headers"] = asked
        response.headers["Access-Control-Max-Age"] = "86400"
    return response
