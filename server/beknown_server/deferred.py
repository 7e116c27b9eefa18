"""The fourth host: calls that Python in the page could not take, run by the same core here.

A page hands its calls to ``POST /run`` while its own Python is still loading, when it is left before that was up, or
where WebAssembly is forbidden. The body is what the page's worker would have been given; the answer is the effects.

    {"api_key", "facts", "options", "stored": [cookie, local], "calls": [[call id, journal entry], ...]}
                                                      (without api_key: the key among the options)
    -> {"effects": [["store", cookie, local], ["done", [call ids]], ["say", level, text], ...]}

Rules:
- The answer comes after the commit that holds the events. If there is no answer the page keeps its journal, and
  whoever runs the calls again makes the same events, which the store then has already.
- Nothing of a visitor is kept between two requests: state comes with the body and returns with the answer.
- Where the server may see the visitor's cookie (cookie.py) and it is newer than what the page had stored, the page
  lost its storage: the cookie wins, the visitor stays who they were, and it is counted as a warning.
- The core's own wall answers for calls it cannot understand; a body that is none of ours is refused as a whole.
- One call never costs the others: a page asks again after a 5xx, with the same call at the head of its queue. Only what
  passes by itself (a store that is busy) may be answered so; a call that is beyond us is dropped, and counted.
- A page whose key is refused is told so by effects, too: where no worker can start, nobody else would tell its author.
"""

from __future__ import annotations

import secrets
from typing import Any

import orjson
from beknown.ids import RANDOM_BYTES, uuid7
from beknown.persistence import complaint
from beknown.tracker import LINGER, Tracker, advice
from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue

from .admission import not_too_fast, project_of
from .body import body_of
from .cookie import arrived, keep, revision
from .cors import mirrored
from .errors import Refusal, TooLarge, Unauthorized, Unusable
from .ingest import MIB, accept, leave_out
from .intake import BEYOND_US
from .payload import parsed
from .site import Site, answered, current_site, now_ms
from .store import Project

MAX_BODY = 2 * MIB
MAX_CALLS = 2000
COOKIELESS = "cookieless"  # permission.py's: nobody's id may be asked for or kept
CONFLICT = "Browsers delete what scripts stored, or block it. Visitors who come back are found by the server's cookie."

bp = Blueprint("deferred", __name__)
bp.before_request(not_too_fast)
bp.after_request(mirrored)


@bp.route("/run", methods=["POST", "OPTIONS"])
def run() -> ResponseReturnValue:
    """Run a page's calls; answer with the effects once their events are durable."""
    if request.method == "OPTIONS":
        return Response(status=200)
    site, now = current_site(), now_ms()
    visit = visit_of(body_of(MAX_BODY))
    visit["facts"].setdefault("agent", request.headers.get("User-Agent", ""))
    visit["facts"].setdefault("brands", request.headers.get("Sec-CH-UA", ""))
    visit["facts"].setdefault("language", request.accept_languages.best or "")
    try:
        project = project_of(site, visit["api_key"])
    except Unauthorized as refusal:
        return stopped(refusal)
    known = visit["facts"].get("consent") != COOKIELESS
    visit["kept"] = lost(site, project, visit, now) if known else ""
    effects = run_calls(site, project, visit, now)
    if wrong := complaint(visit.get("options", {})):
        effects.append(["say", "warn", wrong])
    response = Response(orjson.dumps({"effects": effects}), mimetype="application/json")
    if known:
        keep(response, visit["api_key"], state_after(effects, visit), visit.get("options", {}))
    return response


def stopped(refusal: Unauthorized) -> Response:
    """Answer a page whose key is refused: the refusal, and the effects that tell its author and end its asking."""
    response = answered(refusal)
    said = response.get_json()
    effects = [["say", "error", advice(refusal.status, said["detail"])], ["stopped"]]
    response.set_data(orjson.dumps(said | {"effects": effects}))
    return response


def lost(site: Site, project: Project, visit: dict[str, Any], now: int) -> str:
    """Give the identity that arrived as a cookie if the page has only an older one; empty if it has not."""
    cookie, local = visit["stored"]
    came = arrived(visit["api_key"])
    if revision(came) <= max(revision(cookie), revision(local.partition("\n")[0])):
        return ""
    site.store.warn(project.id, "identity_conflict", f"{came} came as a cookie, {cookie} was stored", CONFLICT, now)
    return came


def state_after(effects: list[list[Any]], visit: dict[str, Any]) -> str:
    """Give the cookie's text once a page has carried out the effects."""
    return next((str(effect[1]) for effect in effects if effect[0] == "store"), str(visit["stored"][0]))


def visit_of(body: bytes) -> dict[str, Any]:
    """Give a body of ``/run`` whose parts have the right shapes; raises Unusable."""
    try:
        visit = _loaded(body)
        visit.setdefault("api_key", visit.get("options", {}).get("key"))
        cookie, local = visit["stored"]
        calls = visit["calls"]
        right = (
            all(isinstance(text, str) for text in (visit["api_key"], cookie, local))
            and all(isinstance(part, dict) for part in (visit["facts"], visit.get("options", {})))
            and len(calls) <= MAX_CALLS
            and all(isinstance(id, str) and isinstance(text, str) for id, text in calls)
        )
        visit["calls"] = [[id, whole(text)] for id, text in calls] if right else []
    except (Unusable, ValueError, KeyError, TypeError, AttributeError):
        right = False
    if not right:
        raise Unusable("not_a_run", "the body is not what our tag sends to /run.", fix="Send events to /e/ instead.")
    return dict(visit)


def _loaded(body: bytes) -> Any:
    try:
        return orjson.loads(body)  # without counting its parts: a call of too many is the one that is dropped
    except orjson.JSONDecodeError:
        return parsed(body)


def whole(text: str) -> str:
    """Give a journal entry with halves of emojis (of texts that were cut) replaced: no answer of ours can hold one."""
    if "\\ud" not in text:
        return text
    try:
        return orjson.dumps(parsed(text.encode())).decode()
    except (Refusal, ValueError, TypeError):
        return text  # the core's wall says what is wrong with it


def sent_at_of(visit: dict[str, Any]) -> int | None:
    """Give the page's clock in ms when it sent this, if it says so."""
    now = visit["facts"].get("now")
    return now if isinstance(now, int) else None


def run_calls(site: Site, project: Project, visit: dict[str, Any], now: int) -> list[list[Any]]:
    """Run the calls as the page's own Python would, store the events, and give the effects that are left."""
    seed = uuid7(now, secrets.token_bytes(RANDOM_BYTES))
    tracker = Tracker(visit["api_key"], visit["facts"], visit["stored"], seed=seed, options=visit.get("options", {}))
    if visit.get("kept"):
        tracker.follow([visit["kept"], ""])
    for call, text in visit["calls"]:
        tracker.take(call, text)
    sent_at = sent_at_of(visit)
    clock = float(now)
    while (body := tracker.request(clock)) is not None:
        try:
            accept(site, project, parsed(body.encode())["batch"], sent_at=sent_at, now=now)
        except (Unusable, TooLarge) as refusal:
            leave_out(site, project, [(BEYOND_US, refusal.detail)], now)
        tracker.answered(200, clock, chance=0)
        clock += LINGER
    return [effect for effect in tracker.effects() if effect[0] != "journal"]
