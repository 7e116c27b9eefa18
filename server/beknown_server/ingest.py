"""Events in: the routes that PostHog's SDKs and our own tag send to.

    body -> payload.unwrapped -> payload.delivery -> intake.taken (each event) -> store.append -> 200 {"status": 1}

Rules:
- Success is exactly 200 with ``{"status": 1}``, and only after the commit. SDKs send 201, 202 and 204 again.
- What cannot be used is skipped and named in ``skipped``; 400 only if nothing is left that could be used.
- 401, 400 and 413 are final for every SDK; 503 with Retry-After is sent again (posthog-server §5).
"""

from __future__ import annotations

import itertools
import logging
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from beknown.ids import RANDOM_BYTES, uuid7
from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue

from .admission import not_too_fast, project_of
from .bags import shown
from .body import body_of
from .cookie import arrived, keep
from .cookieless import counted
from .cors import mirrored
from .errors import Refusal, Unusable
from .intake import BEYOND_US, CLAIM_FIXES, FIXES, SKIPS, Complaints, Skip, Terms, described, origin, taken
from .payload import delivery, unwrapped
from .site import Site, current_site, now_ms
from .store import Claim, Event, Project

MIB = 1 << 20
MAX_NAMED = 1000  # skipped events that an answer names; the others are only counted
SILENT = ("$performance_event",)  # upstream drops these without a word

# route -> bytes of body, bytes after inflating (posthog-server §1.1)
SMALL, LARGE = (2 * MIB, 12 * MIB), (20 * MIB, 50 * MIB)
LIMITS = {
    "batch": LARGE,
    "i/v0/ai/batch": LARGE,
    "e": SMALL,
    "i/v0/e": SMALL,
    "capture": SMALL,
    "track": SMALL,
    "engage": SMALL,
}
NOT_LEGACY = ("batch", "i/v0/ai/batch", "i/v0/e")  # the others unwrap base64 once more

log = logging.getLogger("beknown.ingest")
bp = Blueprint("ingest", __name__)
bp.before_request(not_too_fast)
bp.after_request(mirrored)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the events: how many were new, how many had come before, which could not be used and why."""

    stored: int
    repeated: int
    skipped: list[tuple[int, str]]
    usable: int


def accept(
    site: Site, project: Project, raw_events: list[Any], *, sent_at: int | None, now: int, engage: bool = False
) -> Outcome:
    """Store what can be used of these events, and say what was skipped. Durable when it returns.

    ``sent_at`` is the sender's clock in ms, or None. Raises TooBusy when the store cannot take them now.
    """
    raw_events = counted(site.store, project, raw_events, now)
    demanded = project.options.get("signed_identities")
    signers = site.store.secret_hashes(project.id, now) if demanded else ()
    terms = Terms(now, sent_at, project.options, _uuids(), nameless_is_identify=engage, signers=signers)
    events: list[Event] = []
    skipped: list[tuple[int, str]] = []
    complaints: list[tuple[str, Complaints]] = []
    senders: dict[Claim, str] = {}
    usable = 0
    for index, raw in enumerate(raw_events):
        if isinstance(raw, dict) and raw.get("event") in SILENT:
            usable += 1
            continue
        try:
            found = taken(raw, terms)
        except Skip as reason:
            skipped.append((index, str(reason)))
            continue
        except Exception:  # a fault of ours, and the sender would repeat the whole batch for ever
            log.exception("An event was left out")
            skipped.append((index, BEYOND_US))
            continue
        events.append(found.event)
        complaints.append((found.event.uuid, found.complaints))
        if found.event.claim is not None:
            senders[found.event.claim] = origin(raw)
    usable += len(events)
    appended = site.store.append(project.id, events, now) if events else None
    leave_out(site, project, [(why, raw_events[index]) for index, why in skipped], now)
    if appended is None:
        return Outcome(0, 0, skipped, usable)
    # What names somebody who was deleted leaves no trace of them, in no example either.
    kept = [complaint for uuid, found in complaints if uuid not in appended.forgotten for complaint in found]
    kept += [("too_many_group_types", f"{shown(one.type)}: {shown(one.key)}") for one in appended.ungrouped]
    _warn(site, project, kept, FIXES, now)
    refused = [("claim refused: " + rule, _refused(claim) + senders.get(claim, "")) for rule, claim in appended.refused]
    _warn(site, project, refused, CLAIM_FIXES, now)
    if appended.forgotten:
        site.store.warn(project.id, "forgotten", "an event of somebody who was deleted", FIXES["forgotten"], now)
    site.metrics.taken(accepted=len(events), stored=appended.stored, repeated=appended.repeated)
    return Outcome(appended.stored, appended.repeated, skipped, usable)


def leave_out(site: Site, project: Project, left_out: list[tuple[str, Any]], now: int) -> None:
    """Count events that cannot be used, each by its reason (one of SKIPS), with the first as the example."""
    for why, count in Counter(why for why, _ in left_out).items():
        site.metrics.skipped(why, count)
        example = next(described(raw) for reason, raw in left_out if reason == why)
        site.store.warn(project.id, "skipped: " + why, example, SKIPS[why], now, count)


def _refused(claim: Claim) -> str:
    return f"'{claim.x}' as '{claim.y}'"  # as they are: who is deleted is found in it by their id


def _warn(site: Site, project: Project, found: Complaints, fixes: dict[str, str], now: int) -> None:
    """Count each code once per request, with the last example."""
    if not found:
        return
    examples = dict(found)
    for code, count in Counter(code for code, _ in found).items():
        site.store.warn(project.id, code, examples[code], fixes[code.rpartition(": ")[2]], now, count)


def _receive(route: str) -> ResponseReturnValue:
    site, now = current_site(), now_ms()
    most, most_inflated = LIMITS[route]
    # A plain dict if there is nothing, as nearly always: theirs raises an error for each name that is not there.
    query: Mapping[str, str] = request.args or {}
    document = unwrapped(
        body_of(most),
        content_type=request.headers.get("Content-Type", ""),
        encoding=request.headers.get("Content-Encoding", ""),
        query=query,
        limit=most_inflated,
        legacy=route not in NOT_LEGACY,
    )
    sent = delivery(document, query=query)
    project = project_of(site, sent.key)
    outcome = accept(site, project, sent.events, sent_at=sent.sent_at, now=now, engage=route == "engage")
    response = answer_to(project, outcome, len(sent.events))
    if identity := arrived(str(sent.key)):
        keep(response, str(sent.key), identity, {})
    return response


def answer_to(project: Project, outcome: Outcome, events: int, **more: Any) -> Response:
    """Give the answer to a request with so many events. Raises Unusable if none of them could be used."""
    if outcome.usable == 0:
        raise _unusable(project, outcome)
    answer: dict[str, Any] = {"status": 1, **more}
    if outcome.skipped:
        answer["skipped"] = [{"index": index, "reason": why} for index, why in outcome.skipped[:MAX_NAMED]]
    response = Response(orjson.dumps(answer), content_type="application/json")
    if outcome.skipped:
        first = outcome.skipped[0][1]
        response.headers["X-Beknown-Refused"] = f"{len(outcome.skipped)} of {events} events; the first: {first}"
    # Old posthog-js from sendBeacon: nobody reads the answer.
    if request.query_string and request.args.get("beacon") == "1":
        response.status_code, response.data = 204, b""
    return response


def _unusable(project: Project, outcome: Outcome) -> Refusal:
    index, reason = outcome.skipped[0]
    refusal = Unusable(
        "nothing_usable", f"none of the events could be used; the one at {index}: {reason}.", fix="Mend their sender."
    )
    refusal.project_id = project.id
    return refusal


def _uuids() -> Callable[[int], str]:
    """Give a maker of uuids that grow with each call: what a request lists without uuids happened in that order."""
    number = itertools.count()

    def made(now: int) -> str:
        later, place = divmod(next(number), 1 << 12)  # the 12 bits behind the time (RFC 9562 §6.2, method 1)
        return uuid7(now + later, (place << 4).to_bytes(2, "big") + secrets.token_bytes(RANDOM_BYTES - 2))

    return made


def _add_route(route: str) -> None:
    def receive() -> ResponseReturnValue:
        # Preflight: mirrored() adds the headers.
        return Response(status=200) if request.method == "OPTIONS" else _receive(route)

    for rule in (f"/{route}", f"/{route}/"):
        bp.add_url_rule(
            rule, route.replace("/", "_") + rule[-1].strip(route), receive, methods=["GET", "POST", "OPTIONS"]
        )


for _route in LIMITS:
    _add_route(_route)
