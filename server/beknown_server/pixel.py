"""Pages without JavaScript: ``<img src="https://t.example.com/pixel.gif?key=bk_...">`` counts one page view.

    key       the project's write key
    url       the page's address; without it the Referer header, which across origins names only the origin
    referrer  title  cookieDomain  bots  consent  respectGpc   as the tag's; all may be left out

Rules:
- The same core as everywhere makes the event; here is only what a page would have told it, read from the request.
- Consent is the tag's too (client/beknown/permission.py): a visitor who has said no is not counted, and where nobody
  may be known (``consent=cookieless``, Global Privacy Control, Do Not Track) the view is counted without a cookie.
- Who it is: the visitor's cookie, where it arrives. Where none does, a visitor of this one request, who then gets a
  cookie if the page's host is ours (cookie.py); across sites no cookie comes back, and each view is a visitor.
"""

from __future__ import annotations

import secrets
from typing import Any

import orjson
from beknown import permission
from beknown.ids import RANDOM_BYTES, uuid7
from flask import Blueprint, Response, request

from .admission import not_too_fast, project_of
from .cookie import arrived, choice, give
from .deferred import run_calls, state_after
from .site import current_site, now_ms

# One transparent pixel (GIF89a).
GIF = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c000000000100010000020144003b")
OPTIONS = ("bots", "consent", "cookieDomain", "deny", "mask", "respectGpc")

bp = Blueprint("pixel", __name__)
bp.before_request(not_too_fast)


@bp.get("/pixel.gif")
def pixel() -> Response:
    """Count a page view; answer with a transparent pixel once it is durable."""
    site, now = current_site(), now_ms()
    asked = request.args
    key = asked.get("key", "")
    project = project_of(site, key)
    call = uuid7(now, secrets.token_bytes(RANDOM_BYTES))
    view = {
        "call": "pageview",
        "args": [],
        "at": now,
        "url": asked.get("url") or request.headers.get("Referer", ""),
        "referrer": asked.get("referrer", ""),
        "title": asked.get("title", ""),
        "window": call,  # nothing tells its pages apart: each counts as a tab of its own
    }
    facts: dict[str, Any] = {
        "agent": request.headers.get("User-Agent", ""),
        "brands": request.headers.get("Sec-CH-UA", ""),
        "language": request.accept_languages.best or "",
        "gpc": "1" in (request.headers.get("Sec-GPC"), request.headers.get("DNT")),
    }
    options = {name: asked[name] for name in OPTIONS if name in asked}
    facts["consent"] = permission.mode(choice(key), facts, options)
    is_known = facts["consent"] == permission.GRANTED
    visit: dict[str, Any] = {
        "api_key": key,
        "facts": facts,
        "options": options,
        "stored": [arrived(key) if is_known else "", ""],
        "calls": [[call, orjson.dumps(view).decode()]],
    }
    response = Response(GIF, mimetype="image/gif")
    response.headers["Cache-Control"] = "no-store"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    if permission.is_live(facts["consent"]):
        effects = run_calls(site, project, visit, now)
        if is_known:
            give(response, key, state_after(effects, visit), options)
    return response
