"""``GET /api/openapi.json``: the whole JSON API as OpenAPI 3.1 describes it.

Rules:
- Every route under ``/api`` is in PATHS (a test compares), and real answers are held against these schemas.
- Words and limits are the engine's own constants, so that the description cannot drift from what is checked.
"""

from __future__ import annotations

from typing import Any

import orjson
from beknown.wire import VERSION
from flask import Blueprint, Response

from . import access, asked, cohorts, funnel, insights, spans
from .api import MAX_LIMIT

Schema = dict[str, Any]

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


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _optional(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties}


def _list(items: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": items, **more}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _one_of(words: Any, default: str) -> Schema:
    return {"type": "string", "enum": list(words), "default": default}


def _from_to(least: int, most: int, default: int) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most, "default": default}


TEXT: Schema = {"type": "string"}
NAME: Schema = {"type": "string", "minLength": 1, "maxLength": asked.MOST_TEXT}
WHOLE: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
YES_OR_NO: Schema = {"type": "boolean"}
TIME: Schema = {"type": "string", "format": "date-time"}
DAY: Schema = {"type": "string", "format": "date"}
ANYTHING: Schema = {"type": "object"}
STREAM: Schema = {"type": "string", "format": "event-stream"}
SUBJECT = _one_of(("event", "person"), "event")

FILTER = {
    "type": "object",
    "required": ["key"],
    "properties": {
        "key": NAME,
        "operator": _one_of(asked.OPERATORS, "exact"),
        "value": {"description": "One value or a list for exact and is_not, a number to compare, else text."},
        "type": SUBJECT,
    },
}
MATCHING: dict[str, Schema] = {
    "event": _or_null(NAME) | {"description": "An event's name; null or left out: any event."},
    "filters": _list(_ref("Filter"), maxItems=asked.MOST_FILTERS),
}
RANGE: dict[str, Schema] = {
    "date_from": {**DAY, "description": f"Default: {asked.DAYS} days that end with date_to."},
    "date_to": {**DAY, "description": "Default: today."},
}
BREAKDOWN: dict[str, Schema] = {"breakdown": NAME, "breakdown_type": SUBJECT}
TREND = MATCHING | BREAKDOWN | {"math": _one_of(insights.MATHS, "total"), "property": NAME}
BETWEEN: dict[str, Schema] = {name: {"type": "integer", "minimum": 1} for name in ("from", "to")}  # steps' numbers
FUNNEL = {
    "steps": _list(_optional(**MATCHING), minItems=2, maxItems=funnel.MOST_STEPS),
    "window_days": {"type": "number", "default": funnel.WINDOW_DAYS},
    "order": _one_of(funnel.ORDERS, "ordered"),
    "exclusions": _list(_optional(**MATCHING, **BETWEEN), maxItems=funnel.MOST_EXCLUSIONS),
    "attribution": _one_of(funnel.ATTRIBUTIONS, "first_touch"),
    "attribution_step": {"type": "integer", "minimum": 1},
    **BREAKDOWN,
    **RANGE,
}
PERIODIC = _one_of(("day", "week", "month"), "day")

SCHEMAS: dict[str, Schema] = {
    "Filter": FILTER,
    "Event": _object(uuid=TEXT, event=TEXT, timestamp=TIME, distinct_id=TEXT, person_id=TEXT, properties=ANYTHING),
    "Person": _object(
        person_id=TEXT,
        name=TEXT,
        distinct_ids=_list(TEXT),
        is_identified=YES_OR_NO,
        properties=ANYTHING,
        first_seen=TIME,
        last_seen=TIME,
        event_count=WHOLE,
    ),
    "Link": _object(distinct_id=TEXT, to=TEXT, linked_by=TEXT, rule=TEXT, at=TIME),
    "Warning": _object(code=TEXT, count=WHOLE, example=TEXT, fix=TEXT, first_seen=TIME, last_seen=TIME),
    "Series": _object(label=TEXT, data=_list(_or_null(NUMBER))),
    "Step": _object(
        event=TEXT,
        count=WHOLE,
        conversion_from_previous=_or_null(NUMBER),
        conversion_from_first=_or_null(NUMBER),
        median_seconds=_or_null(NUMBER),
        average_seconds=_or_null(NUMBER),
    ),
    "Refusal": _object(type=TEXT, code=TEXT, detail=TEXT),
}


def _answer(schema: Schema, words: str) -> Schema:
    form = "text/event-stream" if schema is STREAM else "application/json"
    return {"description": words, "content": {form: {"schema": schema}}}


def _call(words: str, answer: Schema, *parameters: Schema, body: Schema | None = None, **refused: str) -> Schema:
    """Give an operation; ``refused`` holds the refusals it knows beside those of every call, as ``s404="why"``."""
    responses = {"200": _answer(answer, words), "401": _answer(_ref("Refusal"), "No key, or none that opens this.")}
    if parameters or body:
        responses["400"] = _answer(_ref("Refusal"), "The question is not one; detail says what to mend.")
    if body:
        responses["503"] = _answer(
            _ref("Refusal"), "The columnar copy is being made, or it takes too long; ask again."
        )
    responses |= {status.removeprefix("s"): _answer(_ref("Refusal"), why) for status, why in refused.items()}
    call: Schema = {"summary": words, "responses": responses}
    if parameters:
        call["parameters"] = list(parameters)
    if body:
        call["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return call


def _query(name: str, schema: Schema, words: str) -> Schema:
    return {"name": name, "in": "query", "schema": schema, "description": words}


ANY_ID = {"name": "any_id", "in": "path", "required": True, "schema": TEXT, "description": "Any id of the person."}
NOBODY = "Nobody was seen under this id."

PATHS: dict[str, Schema] = {
    "/api/events": {
        "get": _call(
            "Stored events, newest first",
            _object(results=_list(_ref("Event")), next=_or_null(WHOLE)),
            _query("limit", _from_to(1, MAX_LIMIT, 100), "How many."),
            _query("before", {"type": "integer", "minimum": 0}, "The cursor that `next` of the page before gave."),
            _query("event", TEXT, "Only this event."),
            _query("distinct_id", TEXT, "Only events that came with this id."),
            _query("person", TEXT, "Only events of the person that this id belongs to."),
        )
    },
    "/api/persons": {
        "get": _call(
            "People, the most recently seen first",
            _object(results=_list(_ref("Person"))),
            _query("search", TEXT, "Part of a name, an e-mail address or an id, or property=value."),
            _query("limit", _from_to(1, MAX_LIMIT, 50), "How many."),
        )
    },
    "/api/persons/{any_id}": {"get": _call("The person that an id belongs to", _ref("Person"), ANY_ID, s404=NOBODY)},
    "/api/persons/{any_id}/explain": {
        "get": _call(
            "Why a person's ids are one, and what was refused",
            _object(links=_list(_ref("Link")), refused=_list(_ref("Link"))),
            ANY_ID,
            s404=NOBODY,
        )
    },
    "/api/warnings": {
        "get": _call("Every refusal, counted, with an example and the fix", _object(results=_list(_ref("Warning"))))
    },
    "/api/live": {
        "get": _call(
            "Events as they arrive, as server-sent events; `id` is the cursor to go on from",
            STREAM,
            _query(
                "after", {"type": "integer", "minimum": 0}, "Go on after this event; else Last-Event-ID, else now."
            ),
            _query("q", TEXT, "Only events whose name, person or page holds this text."),
            s503="Too many live views are open.",
        )
    },
    "/api/insights/unique": {
        "post": _call(
            "How many persons, and the interval that the measured identity quality supports",
            _object(persons=WHOLE, low=WHOLE, high=WHOLE),
            body=_optional(**MATCHING, **RANGE),
        )
    },
    "/api/insights/trends": {
        "post": _call(
            "One number per interval and series",
            _object(labels=_list(TEXT), series=_list(_ref("Series"))),
            body=_optional(
                **TREND,
                series=_list(_optional(**TREND), maxItems=insights.MOST_SERIES),
                formula={**NAME, "description": "Arithmetic over the series, named A, B ...: A / B * 100."},
                interval=_one_of(spans.INTERVALS, "day"),
                display=_one_of(("series", "total"), "series"),
                **RANGE,
            ),
        )
    },
    "/api/insights/funnel": {
        "post": _call(
            "How many persons got how far",
            _object(steps=_list(_ref("Step")))
            | {"description": "With a breakdown also `breakdown`: a list of value and steps, the largest first."},
            body=_optional(**FUNNEL) | {"required": ["steps"]},
        )
    },
    "/api/insights/funnel/people": {
        "post": _call(
            "The persons behind a bar of a funnel",
            _object(results=_list(_object(person_id=TEXT, name=TEXT, is_identified=YES_OR_NO))),
            body=_optional(
                **FUNNEL,
                step={"type": "integer", "minimum": 1, "default": 1},
                who=_one_of(("converted", "dropped"), "converted"),
            )
            | {"required": ["steps"]},
        )
    },
    "/api/insights/retention": {
        "post": _call(
            "How many of each cohort came back, period by period",
            _object(cohorts=_list(_object(start=DAY, size=WHOLE, values=_list(WHOLE))), mean=_list(_or_null(NUMBER))),
            body=_optional(
                target={"anyOf": [NAME, _optional(**MATCHING)]},
                returning={"anyOf": [NAME, _optional(**MATCHING)]},
                period=PERIODIC,
                periods=_from_to(1, cohorts.MOST_PERIODS, cohorts.PERIODS),
                kind=_one_of(cohorts.KINDS, "recurring"),
                mode=_one_of(("on", "on_or_after"), "on"),
                minimum=_from_to(1, 1000, 1),
                date_from=DAY,
            ),
        )
    },
    "/api/insights/lifecycle": {
        "post": _call(
            "New, returning, resurrecting and dormant persons per interval; the dormant are below zero",
            _object(labels=_list(DAY), series=_list(_ref("Series"))),
            body=_optional(**MATCHING, interval=PERIODIC, **RANGE),
        )
    },
    "/api/insights/stickiness": {
        "post": _call(
            "Persons by the number of intervals in which they were active",
            _object(labels=_list(WHOLE), data=_list(WHOLE)),
            body=_optional(
                **MATCHING,
                interval=_one_of(spans.INTERVALS, "day"),
                mode=_one_of(("exactly", "or_more"), "exactly"),
                minimum=_from_to(1, 1000, 1),
                **RANGE,
            ),
        )
    },
    "/api/insights/paths": {
        "post": _call(
            "The ways from page to page; `to` is null where a session ends",
            _object(
                ways=_list(
                    {
                        "type": "object",
                        "properties": {"step": WHOLE, "from": _or_null(TEXT), "to": _or_null(TEXT)}
                        | {"visits": WHOLE, "persons": WHOLE},
                    }
                )
            ),
            body=_optional(steps=_from_to(1, cohorts.MOST_STEPS, 4), filters=MATCHING["filters"], **RANGE),
        )
    },
    "/api/surveys": {
        "get": {
            "summary": "None: asked for by PostHog's browser SDK",
            "security": [],
            "responses": {"200": _answer(_object(surveys=_list(ANYTHING)), "No surveys.")},
        }
    },
    "/api/openapi.json": {
        "get": {
            "summary": "This description",
            "security": [],
            "responses": {"200": _answer(ANYTHING, "OpenAPI 3.1.")},
        }
    },
}
