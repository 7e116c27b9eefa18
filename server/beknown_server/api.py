"""The JSON API and the live stream: what the dashboard shows, for programs.

Rules:
- ``Authorization: Bearer <secret key>`` opens it; the dashboard's own session does too, for reading.
- Times are ISO 8601 in UTC. Lists are newest first, and ``next`` is the cursor of the following page or null.
- Every answer is made by a function that knows no request (``event_json``, ``person_json`` ...), so that the
  stream, the calls and the tests speak of the same shapes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, NoReturn

import orjson
from beknown.wire import iso
from flask import Blueprint, Response, current_app, request, stream_with_context
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from werkzeug.routing import PathConverter

from . import access, live
from .display import became
from .drawing import drawn_row
from .errors import NotFound, TooBusy, Unauthorized, Unusable
from .site import current_site, now_ms
from .store import Explanation, Link, Origin, Person, Place, Project, Row, Warning

MAX_LIMIT = 1000

bp = Blueprint("api", __name__, url_prefix="/api")
bp.after_request(access.guarded)


class Anything(PathConverter):
    """What is left of an address, whatever it is: ``path`` stops at a line break."""

    regex = "(?s:.*?)"
    part_isolating = False  # it crosses slashes


@bp.record_once
def _prepare(state: BlueprintSetupState) -> None:
    state.app.url_map.converters["anything"] = Anything
    # Here, because the rule needs the converter. A host application's own 404 stays its own.
    state.add_url_rule("/<anything:rest>", "unknown", unknown, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])


def unknown(rest: str) -> NoReturn:
    """Answer in JSON, like every refusal, that there is no such call."""
    raise NotFound(
        "unknown_call", f"{request.method} /api/{rest[:80]} is no call.", fix="All of them are in /api/openapi.json."
    )


def project() -> Project:
    """Give the project that this request may read; raises Unauthorized."""
    key = access.bearer()
    found = current_site().store.project_by_secret_key(key, now=now_ms()) if key else access.session_project()
    if found is None:
        raise Unauthorized(
            "unknown_secret_key" if key else "missing_secret_key",
            "the key opens no project." if key else "this call needs a key.",
            fix="Send the header Authorization: Bearer <secret key>; the write key (bk_...) opens nothing here.",
        )
    return found


@bp.get("/events")
def events() -> ResponseReturnValue:
    """Answer with stored events, newest first, by event name, distinct id or person."""
    site, mine = current_site(), project()
    limit = _whole("limit", default=100, least=1, most=MAX_LIMIT)
    person_id = None
    if request.args.get("person"):
        known = site.store.person(mine.id, request.args["person"])
        if known is None:
            return as_json({"results": [], "next": None})
        person_id = known.person_id
    rows = site.store.recent(
        mine.id,
        limit=limit,
        before=_whole("before", default=None, least=0),
        event=request.args.get("event") or None,
        distinct_id=request.args.get("distinct_id") or None,
        person_id=person_id,
    )
    return as_json({"results": [event_json(row) for row in rows], "next": rows[-1].seq if len(rows) == limit else None})


@bp.get("/persons")
def persons() -> ResponseReturnValue:
    """Answer with people, the most recently seen first."""
    mine, limit = project(), _whole("limit", default=50, least=1, most=MAX_LIMIT)
    search = request.args.get("search", "")
    people = current_site().store.people(mine.id, search=search, limit=limit, before=_place())
    older = str(people[-1].place) if len(people) == limit else None
    return as_json({"results": [person_json(person) for person in people], "next": older})


# With slashes as they are: the id ``/users/1`` is not ``users/1``.
@bp.get("/persons/<anything:any_id>", merge_slashes=False)
def person(any_id: str) -> ResponseReturnValue:
    """Answer with the person that an id belongs to, and whence each property came."""
    mine = project()
    found = current_site().store.person(mine.id, any_id) or _nobody(any_id)
    origins = current_site().store.origins(mine.id, found.person_id)
    return as_json({**person_json(found), "origins": {name: origin_json(one) for name, one in origins.items()}})


@bp.get("/persons/<anything:any_id>/explain", merge_slashes=False)
def explain(any_id: str) -> ResponseReturnValue:
    """Answer with the links that make one person of these ids, and those that were refused."""
    mine = project()
    explanation = current_site().store.explain(mine.id, any_id)
    if explanation is None and current_site().store.ref(mine.id, f"{any_id}/explain"):  # an id may end so itself
        return person(f"{any_id}/explain")
    return as_json(explanation_json(explanation or _nobody(any_id)))


@bp.get("/warnings")
def warnings() -> ResponseReturnValue:
    """Answer with every refusal, counted, with an example and the fix."""
    return as_json({"results": [warning_json(warning) for warning in current_site().store.warnings(project().id)]})


@bp.get("/live", endpoint="live")
def stream() -> ResponseReturnValue:
    """Answer with server-sent events: one per stored event from now on, or from ``after`` / ``Last-Event-ID`` on.

    ``q`` filters by text; ``format=html`` gives the dashboard's rows instead of JSON.
    """
    mine = project()
    feed = _feed(mine)
    if not feed.enter():
        raise TooBusy(
            "too_many_viewers",
            f"{current_site().settings.viewers} live views are open in this process already.",
            fix="Close one, or let the server have more of them (--viewers).",
        )
    form = "html" if request.args.get("format") == "html" else "json"
    draw = _drawing(mine) if form == "html" else _as_json
    start = live.place_of(request.headers.get("Last-Event-ID"), request.args.get("after"))
    text = live.frames(
        feed, feed.head() if start is None else start, request.args.get("q", "").strip(), form=form, draw=draw
    )
    response = Response(stream_with_context(text), mimetype="text/event-stream")
    response.headers["X-Accel-Buffering"] = "no"  # nginx would hold rows back until its buffer is full
    metrics = current_site().metrics
    metrics.watching(1)
    response.call_on_close(feed.leave)
    response.call_on_close(lambda: metrics.watching(-1))
    return response


def event_json(row: Row) -> dict[str, Any]:
    """Give an event as the API writes it."""
    return {
        "uuid": row.uuid,
        "event": row.event,
        "timestamp": iso(row.timestamp),
        "distinct_id": row.distinct_id,
        "person_id": row.person.person_id,
        "properties": row.properties,
    }


def person_json(person: Person) -> dict[str, Any]:
    """Give a person as the API writes it."""
    return {
        "person_id": person.person_id,
        "name": person.name,
        "distinct_ids": list(person.distinct_ids),
        "is_identified": person.is_identified,
        "properties": person.properties,
        "first_seen": iso(person.first_seen),
        "last_seen": iso(person.last_seen),
        "event_count": person.event_count,
    }


def origin_json(origin: Origin) -> dict[str, Any]:
    """Give whence a property came as the API writes it."""
    return {**asdict(origin), "at": iso(origin.at)}


def explanation_json(explanation: Explanation) -> dict[str, Any]:
    """Give the links of a person as the API writes them."""
    return {
        "links": [link_json(link) for link in explanation.links],
        "refused": [link_json(link) for link in explanation.refused],
        "undone": [link_json(link) for link in explanation.undone],
    }


def link_json(link: Link) -> dict[str, Any]:
    """Give a link as the API writes it."""
    return {**asdict(link), "at": iso(link.at), "undone": None if link.undone is None else iso(link.undone)}


def warning_json(warning: Warning) -> dict[str, Any]:
    """Give a counted refusal as the API writes it."""
    return {**asdict(warning), "first_seen": iso(warning.first_seen), "last_seen": iso(warning.last_seen)}


def _nobody(any_id: str) -> NoReturn:
    raise NotFound("unknown_person", f"nobody was seen under the id {any_id[:80]!r}.", fix="Look for it in /people.")


def _feed(mine: Project) -> live.Feed:
    site = current_site()

    def recent(**options: Any) -> list[Row]:
        return site.store.recent(mine.id, most_bytes=live.PAGE_BYTES, **options)

    def deletions(after: int) -> tuple[int, bool]:
        return site.store.deletions(mine.id, after)

    seats = current_app.extensions.setdefault("beknown.seats", threading.Semaphore(site.settings.viewers))
    feeds: dict[int, live.Feed] = current_app.extensions.setdefault("beknown.live", {})
    made = live.Feed(recent, deletions, seats=seats, is_stopping=site.is_stopping)
    return feeds.setdefault(mine.id, made)


def _as_json(row: Row) -> str:
    return orjson.dumps(event_json(row)).decode()


def _drawing(mine: Project) -> Callable[[Row], str]:
    store = current_site().store

    def drawn(row: Row) -> str:
        joined = became(row)
        if joined is not None:  # the page then renames the rows that this visitor left
            whose = store.ref(mine.id, joined)
            joined = joined if whose and whose.person_id == row.person.person_id else None
        return drawn_row(row, joined=joined)

    return drawn


def _whole(name: str, *, default: int | None, least: int, most: int = 2**63 - 1) -> Any:
    text = request.args.get(name)
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or not least <= int(text[:19]) <= most or len(text) > 19:
        raise Unusable(
            "bad_parameter",
            f"{name}={text[:40]!r} is not a whole number from {least} to {most}.",
            fix="Mend the parameter.",
        )
    return int(text)


def _place() -> Place | None:
    """Give the place among people that a page begins behind."""
    text = request.args.get("before", "")
    found = Place.read(text)
    if text and found is None:
        raise Unusable(
            "bad_parameter", f"before={text[:40]!r} is no cursor.", fix="Send what `next` of the page before gave."
        )
    return found


def as_json(answer: Any) -> Response:
    """Give an answer as JSON."""
    return Response(orjson.dumps(answer), mimetype="application/json")
