"""The shapes of the API's questions and answers, as JSON Schema; openapi.py says which call has which.

Rules:
- Pure. Words and limits are the engine's own constants, so that the description cannot drift from what is checked.
"""

from __future__ import annotations

from typing import Any

from . import asked, cohorts, funnel, insights, options, report, spans

Schema = dict[str, Any]


def ref(name: str) -> Schema:
    """Give a reference to one of SCHEMAS."""
    return {"$ref": f"#/components/schemas/{name}"}


def record(**properties: Schema) -> Schema:
    """Give an object all of whose fields are there."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def optional(**properties: Schema) -> Schema:
    """Give an object whose fields may be left out."""
    return {"type": "object", "properties": properties}


def many(items: Schema, **more: Any) -> Schema:
    """Give a list."""
    return {"type": "array", "items": items, **more}


def or_null(schema: Schema) -> Schema:
    """Give a schema that null fits too."""
    return {"anyOf": [schema, {"type": "null"}]}


def one_of(words: Any, default: str) -> Schema:
    """Give a choice of words."""
    return {"type": "string", "enum": list(words), "default": default}


def whole_from(least: int, most: int, default: int) -> Schema:
    """Give a whole number within limits."""
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
SUBJECT = one_of(("event", "person"), "event")

FILTER = {
    "type": "object",
    "required": ["key"],
    "properties": {
        "key": NAME,
        "operator": one_of(asked.OPERATORS, "exact"),
        "value": {"description": "One value or a list for exact and is_not, a number to compare, else text."},
        "type": SUBJECT,
    },
}
MATCHING: dict[str, Schema] = {
    "event": or_null(NAME) | {"description": "An event's name; null or left out: any event."},
    "filters": many(ref("Filter"), maxItems=asked.MOST_FILTERS),
}
RANGE: dict[str, Schema] = {
    "date_from": {**DAY, "description": f"Default: {asked.DAYS} days that end with date_to."},
    "date_to": {**DAY, "description": "Default: today."},
}
BREAKDOWN: dict[str, Schema] = {"breakdown": NAME, "breakdown_type": SUBJECT}
TREND = MATCHING | BREAKDOWN | {"math": one_of(insights.MATHS, "total"), "property": NAME, "group": NAME}
BETWEEN: dict[str, Schema] = {name: {"type": "integer", "minimum": 1} for name in ("from", "to")}  # steps' numbers
FUNNEL = {
    "steps": many(optional(**MATCHING), minItems=2, maxItems=funnel.MOST_STEPS),
    "window_days": {"type": "number", "default": funnel.WINDOW_DAYS},
    "order": one_of(funnel.ORDERS, "ordered"),
    "exclusions": many(optional(**MATCHING, **BETWEEN), maxItems=funnel.MOST_EXCLUSIONS),
    "attribution": one_of(funnel.ATTRIBUTIONS, "first_touch"),
    "attribution_step": {"type": "integer", "minimum": 1},
    **BREAKDOWN,
    **RANGE,
}
BEHIND = FUNNEL | {
    "step": {"type": "integer", "minimum": 1, "default": 1},
    "who": one_of(("converted", "dropped"), "converted"),
    "breakdown_value": or_null({"type": "string", "maxLength": asked.MOST_TEXT})
    | {"description": "As the funnel's answer has it, any value, also one not shown; else the whole is meant."},
}
PERIODIC = one_of(("day", "week", "month"), "day")
RETENTION = {
    "target": {"anyOf": [NAME, optional(**MATCHING)]},
    "returning": {"anyOf": [NAME, optional(**MATCHING)]},
    "period": PERIODIC,
    "periods": whole_from(1, cohorts.MOST_PERIODS, cohorts.PERIODS),
    "kind": one_of(cohorts.KINDS, "recurring"),
    "mode": one_of(("on", "on_or_after"), "on"),
    "minimum": whole_from(1, 1000, 1),
    "mean": one_of(cohorts.MEANS, "weighted"),
    "date_from": DAY,
}
STICKINESS = {
    **MATCHING,
    "interval": one_of(spans.INTERVALS, "day"),
    "mode": one_of(("exactly", "or_more"), "exactly"),
    "minimum": whole_from(1, 1000, 1),
    **RANGE,
}

OPTIONS: dict[str, Schema] = {
    "timezone": {**TEXT, "description": "By its name, such as Europe/Berlin: days begin at its midnight."},
    "week_start": {"type": "string", "enum": list(options.WEEK_STARTS)},
    "origins": many(TEXT, maxItems=options.MOST_ORIGINS)
    | {"description": "Whose pages may send events: https://shop.example, or *.shop.example. Empty: all."},
    "retention_days": or_null({"type": "integer", "minimum": 1, "maximum": options.MOST_DAYS})
    | {"description": "Older events are deleted, for good. null: all are kept."},
    "signed_identities": {**YES_OR_NO, "description": "Only a user's id that your backend has signed links anything."},
    "merge_dangerously": {**YES_OR_NO, "description": "Anybody who knows two users' ids may join them: leave it off."},
}
PERSON: dict[str, Schema] = {
    "person_id": TEXT,
    "name": TEXT,
    "distinct_ids": many(TEXT),
    "is_identified": YES_OR_NO,
    "properties": ANYTHING,
    "first_seen": TIME,
    "last_seen": TIME,
    "event_count": WHOLE,
}

SCHEMAS: dict[str, Schema] = {
    "Filter": FILTER,
    "Event": record(uuid=TEXT, event=TEXT, timestamp=TIME, distinct_id=TEXT, person_id=TEXT, properties=ANYTHING),
    "Person": record(**PERSON),
    "PersonWithOrigins": record(**PERSON, origins={"type": "object", "additionalProperties": ref("Origin")}),
    "Origin": record(at=TIME, distinct_id=TEXT, event=or_null(TEXT), is_first=YES_OR_NO)
    | {"description": "Whence a property came; is_first: set once, and kept since. No event: it is not kept."},
    "Link": record(id=WHOLE, distinct_id=TEXT, to=TEXT, linked_by=TEXT, rule=TEXT, at=TIME, undone=or_null(TIME)),
    "Options": optional(**OPTIONS) | {"additionalProperties": False},
    "Project": record(name=TEXT, write_key=TEXT, **OPTIONS),
    "Group": record(type=TEXT, key=TEXT, properties=ANYTHING, first_seen=TIME, last_seen=TIME),
    "Warning": record(code=TEXT, count=WHOLE, example=TEXT, fix=TEXT, first_seen=TIME, last_seen=TIME),
    "Series": record(label=TEXT, data=many(or_null(NUMBER))),
    "Step": record(
        event=TEXT,
        count=WHOLE,
        conversion_from_previous=or_null(NUMBER),
        conversion_from_first=or_null(NUMBER),
        median_seconds=or_null(NUMBER),
        average_seconds=or_null(NUMBER),
    ),
    "Retention": record(
        cohorts=many(record(start=DAY, size=WHOLE, values=many(WHOLE), unfinished=YES_OR_NO)),
        mean=many(or_null(NUMBER)),
    ),
    "Way": record(**{"step": WHOLE, "from": or_null(TEXT), "to": or_null(TEXT), "visits": WHOLE, "persons": WHOLE}),
    "PersonName": record(person_id=TEXT, name=TEXT, is_identified=YES_OR_NO),
    "Ladder": record(**{rung: {"type": "number", "minimum": 0, "maximum": 1} for rung in "1234"}),
    "Finding": record(
        code={"type": "string", "enum": list(report.ADVICE)},
        severity={"type": "string", "enum": ["high", "medium", "low"]},
        count=WHOLE,
        examples=many(ref("PersonName")),
        effect=TEXT,
        fix=TEXT,
    ),
    "Report": record(
        ladder=ref("Ladder"),
        findings=many(ref("Finding")),
        unique_users=record(persons=WHOLE, low=WHOLE, high=WHOLE),
        loss=record(sent=WHOLE, received=WHOLE, share=NUMBER),
        weeks=many(record(start=DAY, ladder=ref("Ladder"))),
    ),
    "Refusal": record(type=TEXT, code=TEXT, detail=TEXT),
}
