"""``GET /api/openapi.json``: the whole JSON API as OpenAPI 3.1 describes it.

Rules:
- Every route under ``/api`` is in PATHS (a test compares), and real answers are held against these schemas.
- What the calls take and give is described in shapes.py.
"""

from __future__ import annotations

import orjson
from beknown.wire import VERSION
from flask import Blueprint, Response

from . import access, asked, cohorts, funnel, harmless, insights, spans, visits
from .api import MAX_LIMIT
from .people_api import MOST_IDS
from .shapes import (
    ANYTHING,
    BEHIND,
    DAY,
    FUNNEL,
    MATCHING,
    NAME,
    NUMBER,
    PERIODIC,
    RANGE,
    RETENTION,
    SCHEMAS,
    STICKINESS,
    STREAM,
    TEXT,
    TREND,
    WHOLE,
    Schema,
    many,
    one_of,
    optional,
    or_null,
    record,
    ref,
    whole_from,
)
from .store import CURSOR

bp = Blueprint("openapi", __name__, url_prefix="/api")
bp.after_request(access.guarded)


@bp.get("/openapi.json")
def openapi() -> Response:
    """Answer with the description of this API."""
    return Response(orjson.dumps(document()), mimetype="application/json")


def document() -> Schema:
    """Give the OpenAPI document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "beknown",
            "version": VERSION,
            "description": "Who did what, counted by person as each is known now. Times are ISO 8601 in UTC; "
            "dates are YYYY-MM-DD in the project's time zone, both ends of a range included.",
        },
        "servers": [{"url": "/"}],
        "security": [{"secret_key": []}],
        "paths": PATHS,
        "components": {
            "securitySchemes": {
                "secret_key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The project's secret key (bks_...). The write key opens nothing.",
                }
            },
            "schemas": SCHEMAS,
        },
    }


def _answer(schema: Schema, words: str) -> Schema:
    form = "text/event-stream" if schema is STREAM else "application/json"
    return {"description": words, "content": {form: {"schema": schema}}}


def _call(words: str, answer: Schema, *parameters: Schema, body: Schema | None = None, **refused: str) -> Schema:
    """Give an operation; ``refused`` holds the refusals it knows beside those of every call, as ``s404="why"``."""
    responses = {"200": _answer(answer, words), "401": _answer(ref("Refusal"), "No key, or none that opens this.")}
    if parameters or body:
        responses["400"] = _answer(ref("Refusal"), "The question is not one; detail says what to mend.")
    if body:
        responses["503"] = _answer(ref("Refusal"), "The columnar copy is being made, or time is up; ask again.")
    responses |= {status.removeprefix("s"): _answer(ref("Refusal"), why) for status, why in refused.items()}
    call: Schema = {"summary": words, "responses": responses}
    if parameters:
        call["parameters"] = list(parameters)
    if body:
        call["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return call


def _query(name: str, schema: Schema, words: str) -> Schema:
    return {"name": name, "in": "query", "schema": schema, "description": words}


def _correction(words: str, answer: Schema, *parameters: Schema, missing: str, body: Schema | None = None) -> Schema:
    call = _call(words, answer, *parameters, body=body, s404=missing, s503="The store cannot take it now; ask again.")
    return call | {
        "responses": {"400": _answer(ref("Refusal"), "It cannot be done; detail says why.")} | call["responses"]
    }


LINK = {"name": "link", "in": "path", "required": True, "schema": WHOLE, "description": "The link's `id`."}
NO_LINK = "There is no such link."
BEHIND_WHOM = {"type": "string", "pattern": f"^{CURSOR.pattern}$"}
ANY_ID = {"name": "any_id", "in": "path", "required": True, "schema": TEXT, "description": "Any id of the person."}
NOBODY = "Nobody was seen under this id."

PATHS: dict[str, Schema] = {
    "/api/events": {
        "get": _call(
            "Stored events, newest first",
            record(results=many(ref("Event")), next=or_null(WHOLE)),
            _query("limit", whole_from(1, MAX_LIMIT, 100), "How many."),
            _query("before", {"type": "integer", "minimum": 0}, "The cursor that `next` of the page before gave."),
            _query("event", TEXT, "Only this event."),
            _query("distinct_id", TEXT, "Only events that came with this id."),
            _query("person", TEXT, "Only events of the person that this id belongs to."),
        )
    },
    "/api/persons": {
        "get": _call(
            "People, the most recently seen first",
            record(results=many(ref("Person")), next=or_null(TEXT)),
            _query("search", TEXT, "Part of a name, an e-mail address or an id, or property=value."),
            _query("limit", whole_from(1, MAX_LIMIT, 50), "How many."),
            _query("before", BEHIND_WHOM, "The cursor that `next` of the page before gave."),
        )
    },
    "/api/persons/{any_id}": {
        "get": _call(
            "The person that an id belongs to, and when, under which id and by which event each property came",
            ref("PersonWithOrigins"),
            ANY_ID,
            s404=NOBODY,
        ),
        "delete": _correction(
            "Delete a person with events, ids and properties; late events do not bring them back",
            record(events=WHOLE, distinct_ids=WHOLE),
            ANY_ID,
            missing=NOBODY,
        ),
    },
    "/api/persons/merge": {
        "post": _correction(
            "Make one person of two; `into` survives, `id` undoes it",
            record(id=WHOLE),
            missing=NOBODY,
            body=record(**{"from": TEXT, "into": TEXT}),
        )
    },
    "/api/persons/split": {
        "post": _correction(
            "Part these ids from the others of their person",
            record(undone=many(WHOLE)),
            missing=NOBODY,
            body=record(distinct_ids=many(TEXT, minItems=1, maxItems=MOST_IDS)),
        )
    },
    "/api/merges/{link}/undo": {
        "post": _correction(
            "Take a link out, as if it had never been said; `still_one_by` are links that keep its ids one person",
            record(id=WHOLE, still_one_by=many(WHOLE)),
            LINK,
            missing=NO_LINK,
        )
    },
    "/api/merges/{link}/redo": {"post": _correction("Take an undo back", record(id=WHOLE), LINK, missing=NO_LINK)},
    "/api/groups": {
        "get": _call(
            "Groups with their properties, the latest seen first",
            record(results=many(ref("Group"))),
            _query("type", TEXT, "Only of this type."),
            _query("key", TEXT, "Only the one with this key."),
        )
    },
    "/api/project": {
        "get": _call("What the project has chosen; no secret is shown", ref("Project")),
        "patch": _call(
            "Change what is sent, leave the rest; keys are made at /settings or by `beknown project rotate-key`",
            ref("Project"),
            body=ref("Options"),
            s503="The store cannot take it now; ask again.",
        ),
    },
    "/api/persons/{any_id}/explain": {
        "get": _call(
            "Why a person's ids are one, and what was refused",
            record(links=many(ref("Link")), refused=many(ref("Link")), undone=many(ref("Link"))),
            ANY_ID,
            s404=NOBODY,
        )
    },
    "/api/warnings": {
        "get": _call("Every refusal, counted, with an example and the fix", record(results=many(ref("Warning"))))
    },
    "/api/live": {
        "get": _call(
            "Events as they arrive, as server-sent events; `id` is the cursor to go on from",
            STREAM,
            _query("after", {"type": "integer", "minimum": 0}, "Go on after this; else Last-Event-ID, else now."),
            _query("q", TEXT, "Only events whose name, person or page holds this text."),
            s503="Too many live views are open.",
        )
    },
    "/api/insights/unique": {
        "post": _call(
            "How many persons, and the interval that the measured identity quality supports",
            record(persons=WHOLE, low=WHOLE, high=WHOLE),
            body=optional(**MATCHING, **RANGE),
        )
    },
    "/api/insights/trends": {
        "post": _call(
            "One number per interval and series",
            record(labels=many(TEXT), series=many(ref("Series"))),
            body=optional(
                **TREND,
                series=many(optional(**TREND), maxItems=insights.MOST_SERIES),
                formula={**NAME, "description": "Arithmetic over the series, named A, B ...: A / B * 100."},
                interval=one_of(spans.INTERVALS, "day"),
                display=one_of(insights.DISPLAYS, "series"),
                **RANGE,
            ),
        )
    },
    "/api/insights/funnel": {
        "post": _call(
            "How many persons got how far",
            record(steps=many(ref("Step")))
            | {"description": "With a breakdown also `breakdown`: a list of value and steps, the largest first."},
            body=optional(**FUNNEL) | {"required": ["steps"]},
        )
    },
    "/api/insights/funnel/people": {
        "post": _call(
            f"The persons behind a bar of a funnel or of a value of its breakdown, {funnel.MOST_PEOPLE:,} at most",
            record(results=many(ref("PersonName"), maxItems=funnel.MOST_PEOPLE)),
            body=optional(**BEHIND) | {"required": ["steps"]},
        )
    },
    "/api/insights/funnel/trend": {
        "post": _call(
            "How many persons entered a funnel in each interval, how many of them got to its end, and their share",
            record(labels=many(DAY), series=many(ref("Series"))),
            body=optional(
                **{name: FUNNEL[name] for name in ("steps", "window_days", "order", *RANGE)}, interval=PERIODIC
            )
            | {"required": ["steps"]},
        )
    },
    "/api/insights/sessions": {
        "post": _call(
            "How many sessions, how long, where they begin and end, and what share bounced",
            record(
                sessions=WHOLE,
                persons=WHOLE,
                average_seconds=or_null(NUMBER),
                median_seconds=or_null(NUMBER),
                views_per_session=or_null(NUMBER),
                bounce_rate=or_null(NUMBER),
                **{name: many(record(value=or_null(TEXT), sessions=WHOLE, bounced=WHOLE)) for name in visits.PLACES},
            ),
            body=optional(filters=MATCHING["filters"], **RANGE),
        )
    },
    "/api/insights/retention": {
        "post": _call(
            "How many of each cohort came back, period by period", ref("Retention"), body=optional(**RETENTION)
        )
    },
    "/api/insights/lifecycle": {
        "post": _call(
            "New, returning, resurrecting and dormant persons per interval; the dormant are below zero",
            record(labels=many(DAY), series=many(ref("Series"))),
            body=optional(**MATCHING, interval=PERIODIC, **RANGE),
        )
    },
    "/api/insights/stickiness": {
        "post": _call(
            "Persons by the number of intervals in which they were active",
            record(labels=many(WHOLE), data=many(WHOLE)),
            body=optional(**STICKINESS),
        )
    },
    "/api/insights/paths": {
        "post": _call(
            "The ways from page to page; `to` is null where a session ends",
            record(ways=many(ref("Way"))),
            body=optional(steps=whole_from(1, cohorts.MOST_STEPS, 4), filters=MATCHING["filters"], **RANGE),
        )
    },
    "/api/identity/report": {
        "get": _call(
            "How good the identification is, what spoils it, and how far to trust the counts",
            ref("Report"),
            _query("date_from", DAY, f"Default: {asked.DAYS} days that end with date_to."),
            _query("date_to", DAY, "Default: today."),
            s503="The columnar copy is being made; ask again.",
        )
    },
    "/api/openapi.json": {
        "get": {
            "summary": "This description",
            "security": [],
            "responses": {"200": _answer(ANYTHING, "OpenAPI 3.1.")},
        }
    },
}


def _unasked(answer: Schema | None, *parameters: str) -> Schema:
    """Give a call that only PostHog's SDKs make: it needs no key, and there is nothing (None: always 404)."""
    found = {"200": _answer(answer, "Nothing.")} if answer else {"404": _answer(ref("Refusal"), "There is none.")}
    call: Schema = {"summary": "None: asked for by PostHog's SDKs", "security": [], "responses": found}
    if parameters:
        call["parameters"] = [{"name": one, "in": "path", "required": True, "schema": TEXT} for one in parameters]
    return {"get": call}


PATHS |= {path: _unasked(record(**dict.fromkeys(empty, many(ANYTHING)))) for path, empty in harmless.NOTHING.items()}
PATHS |= {
    "/api/feature_flag/local_evaluation": _unasked(ANYTHING),
    "/api/projects/{project}/feature_flags/{flag}/remote_config": _unasked(None, "project", "flag"),
}
