"""The numbers for a person: ``/insights``, the same as CSV and JSON, and ``/identity``, the identity report.

Rules:
- The question is the query string (form.py), so a page is shared by its address and works without JavaScript.
- A page asks what ``/api/insights/...`` would be asked, and shows that answer; a refusal is said on the page.
- Page, CSV and JSON are one answer: series and steps are named so that they can be told apart, with trends' totals.
- Charts are drawn by charts.js from the table's own numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import orjson
from flask import Blueprint, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from . import access, choices, cohorts, display, figures, flow, form, funnel, insights, visits
from .asked import MOST_TEXT
from .errors import Refusal
from .form import Form, Series
from .insights import TRAILING, Desk, zone_of
from .insights_api import desk_of, report_of
from .pages import draw, needs_session
from .site import current_site, now_ms

MOST_DRAWN = 10  # series of a chart, one colour each; the table has them all
FIRST_SPAN = "30d"  # of the identity report
MOST_EVENTS = 300  # names that the form offers
MOST_PROPERTIES = 150
NEWEST = 20_000  # events that are looked through for names of properties

ANSWERS: Mapping[str, Callable[[Desk, Any], dict[str, Any]]] = {
    "trends": insights.trends,
    "funnel": funnel.funnel,
    "retention": cohorts.retention,
    "lifecycle": cohorts.lifecycle,
    "stickiness": cohorts.stickiness,
    "paths": cohorts.paths,
    "sessions": visits.visits,
}

bp = Blueprint("numbers", __name__)
bp.before_request(needs_session)
bp.after_request(access.guarded)


@bp.get("/insights", endpoint="insights")
def insights_page() -> ResponseReturnValue:
    """Show a form and the answer to what it asks."""
    asked = _form()
    if "sent" in request.args:  # a browser sends every field; the address that people share has only what matters
        return redirect(url_for("numbers.insights") + "?" + urlencode(asked.query()))
    shown: dict[str, Any] = {"events": [], "properties": [], "answer": None, "totals": [], "complaint": None}
    try:
        with desk_of(g.project) as desk:
            shown["events"] = _events(desk)
            shown["properties"] = _properties(desk)
            asked, answer = _answered(desk, asked)
            shown |= {"answer": answer, "totals": answer.get("totals", [])}
            shown |= _drawn(asked, answer, is_partial=asked.days(desk.today)[1] >= desk.today)
    except Refusal as refusal:
        shown["complaint"] = refusal
    frame = {"form": asked, "words": choices, "kinds": choices.KINDS, "query": urlencode(asked.query())}
    return draw("beknown/insights.html", **frame, **shown)


@bp.get("/insights/people", endpoint="insights_people")
def people() -> ResponseReturnValue:
    """Show who is behind a bar of a funnel: who did ``step``, or with ``who=dropped`` came no further than before.

    ``breakdown_value``: of the bars of this value, else of the whole.
    """
    asked = _form()
    step = request.args.get("step", 1, type=int)
    who = "dropped" if request.args.get("who") == "dropped" else "converted"
    bar = {"step": step, "who": who, "breakdown_value": request.args.get("breakdown_value")}
    shown: dict[str, Any] = {"people": [], "complaint": None, "most": funnel.MOST_PEOPLE, **bar}
    try:
        with desk_of(g.project) as desk:
            found = funnel.people(desk, asked.body(desk.today) | bar)
        named = current_site().store.named(found)
        shown["people"] = [named[number] for number in found if number in named]
    except Refusal as refusal:
        shown["complaint"] = refusal
    name = _called(asked.events[step - 1], asked.series[step - 1]) if 0 < step <= len(asked.events) else ""
    return draw("beknown/behind.html", form=asked, name=name, query=urlencode(asked.query()), **shown)


@bp.get("/insights.json", endpoint="insights_json")
def as_json() -> ResponseReturnValue:
    """Answer with what the page with the same query string shows, as the API gives it."""
    with desk_of(g.project) as desk:
        _, answer = _answered(desk, _form())
    return Response(orjson.dumps(answer), mimetype="application/json")


@bp.get("/insights.csv", endpoint="insights_csv")
def as_csv() -> ResponseReturnValue:
    """Answer with the table of the page with the same query string."""
    with desk_of(g.project) as desk:
        asked, answer = _answered(desk, _form())
    response = Response(figures.table_of(asked.kind, answer).csv(), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{asked.kind}.csv"'
    return response


@bp.get("/overview/numbers", endpoint="overview_numbers")
def overview_numbers() -> ResponseReturnValue:
    """Show the part of the overview that has to be counted: people by day, and how far to trust them."""
    asked = Form()
    try:
        with desk_of(g.project) as desk:
            answer = insights.trends(desk, asked.body(desk.today))
        told = report_of(g.project, {})
    except Refusal as refusal:
        return draw("beknown/overview_numbers.html", complaint=refusal, report=None)
    chart = figures.chart_of("trends", answer, interval="day", most=1, is_partial=True)
    chart["series"][0]["label"] = "People"
    return draw(
        "beknown/overview_numbers.html",
        complaint=None,
        chart=orjson.dumps(chart).decode(),
        report=told,
        rungs=display.RUNGS,
    )


@bp.get("/identity")
def identity() -> ResponseReturnValue:
    """Show the identity report: how good the identification is, what spoils it, how far to trust the counts."""
    span = request.args.get("span", "")
    days = choices.RANGES.get(span, choices.RANGES[FIRST_SPAN])
    last = zone_of(g.project.options).day(now_ms())
    body = {"date_from": (last - timedelta(days=days - 1)).isoformat(), "date_to": last.isoformat()}
    frame = {"days": days, "spans": choices.RANGES, "span": span}
    try:
        found = report_of(g.project, body)
    except Refusal as refusal:
        return draw("beknown/identity.html", report=None, complaint=refusal, **frame)
    weeks = figures.weeks_of(found["weeks"], [name for name, _ in display.RUNGS])
    users = found["unique_users"]
    return draw(
        "beknown/identity.html",
        report=found,
        complaint=None,
        rungs=display.RUNGS,
        scale=figures.between(users["low"], users["persons"], users["high"]),
        weeks=weeks,
        chart=orjson.dumps(weeks).decode(),
        **frame,
    )


def _form() -> Form:
    return form.read(request.args, today=zone_of(g.project.options).day(now_ms()))


def _answered(desk: Desk, asked: Form) -> tuple[Form, dict[str, Any]]:
    """Give the form as it is answered, and the answer."""
    asked = _begun(desk, asked)
    answer = _named(asked, ANSWERS[asked.kind](desk, asked.body(desk.today)))
    totals = _totals(desk, asked)
    return asked, answer | ({"totals": totals} if totals else {})


def _begun(desk: Desk, asked: Form) -> Form:
    """Give the form with a first idea where a funnel's steps were not chosen."""
    if asked.kind != "funnel" or "event" in request.args:
        return asked
    events = _events(desk)
    own = [name for name in events if not name.startswith("$")]
    ideas = [Series(name) for name in ("$pageview", *own[:1]) if name in events]
    return replace(asked, series=ideas or asked.series)


def _events(desk: Desk) -> list[str]:
    return [row[0] for row in desk.reading.ask("names.events", most=MOST_EVENTS)]


def _properties(desk: Desk) -> list[str]:
    rows = desk.reading.ask("names.properties", most=MOST_PROPERTIES, newest=NEWEST)
    return [row[0] for row in rows]


def _totals(desk: Desk, asked: Form) -> list[dict[str, Any]]:
    """Give each series over the whole range: for people that is not the sum of the days."""
    if asked.kind != "trends" or asked.breakdown or any(one.math in TRAILING for one in asked.series):
        return []
    answer = _named(asked, insights.trends(desk, asked.body(desk.today) | {"display": "total"}))
    return [{"label": one["label"], "number": one["data"][0]} for one in answer["series"]]


def _named(asked: Form, answer: dict[str, Any]) -> dict[str, Any]:
    """Give the answer with series and steps that can be told apart: by their conditions, and by what is counted."""
    if asked.kind == "funnel":
        parts = [{**part, "steps": _steps(asked, part["steps"])} for part in answer.get("breakdown", ())]
        more = {"breakdown": parts} if "breakdown" in answer else {}
        return answer | {"steps": _steps(asked, answer["steps"])} | more
    if asked.kind != "trends" or asked.breakdown or asked.formula:
        return answer
    differ = len({one.math for one in asked.series}) > 1
    names = [_called(one["label"], own) for one, own in zip(answer["series"], asked.series, strict=True)]
    if differ:
        pairs = zip(names, asked.series, strict=True)
        names = [f"{display.label(name)}: {_counted(own)}" for name, own in pairs]
    return answer | {"series": [one | {"label": name} for one, name in zip(answer["series"], names, strict=True)]}


def _steps(asked: Form, steps: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [step | {"event": _called(step["event"], own)} for step, own in zip(steps, asked.series, strict=True)]


def _called(name: str, own: Series) -> str:
    """Give an event's name, with the words for it only where there is more to say: a table has it as it was sent."""
    words = "Any event" if name == choices.ANY else display.label(name)
    return f"{words} where {own.where.words}" if own.where else name


def _counted(own: Series) -> str:
    words = choices.MATHS[own.math]
    words = words.replace("a property", own.of or "a property")
    return words[:1].lower() + words[1:]


def _drawn(asked: Form, answer: dict[str, Any], *, is_partial: bool) -> dict[str, Any]:
    """Give what the page draws besides the answer itself."""
    if asked.kind == "funnel":
        return {"groups": figures.groups_of(answer), "longest": MOST_TEXT}
    if asked.kind == "sessions":
        return {}
    if asked.kind == "retention":
        return {"mean": answer["mean"]}
    if asked.kind == "stickiness":
        return {"chart": orjson.dumps(figures.sticky_of(answer, interval=asked.interval)).decode()}
    if asked.kind == "paths":
        return {"flow": flow.flow_of(answer["ways"])}
    chart = figures.chart_of(asked.kind, answer, interval=asked.interval, most=MOST_DRAWN, is_partial=is_partial)
    return {
        "chart": orjson.dumps(chart).decode(),
        "drawn": len(chart["series"]),
        "table": figures.series_of(answer),
    }
