"""The JSON API of the numbers: ``POST /api/insights/...`` and the identity report.

Rules:
- ``Authorization: Bearer <secret key>``, as in api.py; the dashboard's own session does too.
- Here is only HTTP: questions are checked and answered by insights.py and its neighbours, which know no request.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import orjson
from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from . import access, cohorts, insights
from . import funnel as funnels
from . import report as reports
from .api import as_json, project
from .conversion import conversion
from .errors import Unusable
from .insights import Desk
from .register import Register, desk, identity_report
from .site import current_site, now_ms
from .store import Project
from .visits import visits

bp = Blueprint("insights", __name__, url_prefix="/api")
bp.after_request(access.guarded)


@bp.post("/insights/unique")
def unique() -> ResponseReturnValue:
    """Answer with the number of persons in a range of days."""
    mine = project()
    with desk_of(mine) as at:
        return as_json(reports.unique(at, Register(current_site().store, mine.id), _body()))


@bp.post("/insights/trends")
def trends() -> ResponseReturnValue:
    """Answer with one number per interval."""
    with desk_of(project()) as at:
        return as_json(insights.trends(at, _body()))


@bp.post("/insights/funnel")
def funnel() -> ResponseReturnValue:
    """Answer with how many persons got how far."""
    with desk_of(project()) as at:
        return as_json(funnels.funnel(at, _body()))


@bp.post("/insights/funnel/people")
def funnel_people() -> ResponseReturnValue:
    """Answer with the persons behind a bar of a funnel."""
    mine = project()
    with desk_of(mine) as at:
        numbers = funnels.people(at, _body())
    named = current_site().store.named(numbers)
    return as_json({"results": [{**asdict(named[number])} for number in numbers if number in named]})


@bp.post("/insights/funnel/trend")
def funnel_trend() -> ResponseReturnValue:
    """Answer with how many entered a funnel in each interval, and how many of them got to its end."""
    with desk_of(project()) as at:
        return as_json(conversion(at, _body()))


@bp.post("/insights/sessions")
def sessions() -> ResponseReturnValue:
    """Answer with how many sessions, how long, where they begin and end."""
    with desk_of(project()) as at:
        return as_json(visits(at, _body()))


@bp.post("/insights/retention")
def retention() -> ResponseReturnValue:
    """Answer with who came back, by cohort."""
    with desk_of(project()) as at:
        return as_json(cohorts.retention(at, _body()))


@bp.post("/insights/lifecycle")
def lifecycle() -> ResponseReturnValue:
    """Answer with new, returning, resurrecting and dormant persons."""
    with desk_of(project()) as at:
        return as_json(cohorts.lifecycle(at, _body()))


@bp.post("/insights/stickiness")
def stickiness() -> ResponseReturnValue:
    """Answer with persons by the number of intervals in which they were active."""
    with desk_of(project()) as at:
        return as_json(cohorts.stickiness(at, _body()))


@bp.post("/insights/paths")
def paths() -> ResponseReturnValue:
    """Answer with the ways from page to page."""
    with desk_of(project()) as at:
        return as_json(cohorts.paths(at, _body()))


@bp.get("/identity/report")
def identity() -> ResponseReturnValue:
    """Answer with how good the identification is; examples are persons, with the name they go by."""
    return as_json(report_of(project(), request.args.to_dict()))


@contextmanager
def desk_of(mine: Project) -> Iterator[Desk]:
    """Give where questions about a project are answered; the dashboard's pages ask here too."""
    site = current_site()
    with desk(site.store, site.columns, mine, now=now_ms()) as place:
        yield place


def report_of(mine: Project, body: dict[str, Any]) -> dict[str, Any]:
    """Give the identity report of a project; the dashboard's page shows the same."""
    site = current_site()
    return identity_report(site.store, site.columns, mine, body, now=now_ms())


def _body() -> Any:
    try:
        return orjson.loads(request.get_data() or b"{}")
    except orjson.JSONDecodeError as error:
        raise Unusable("bad_json", f"the body is no JSON: {error}.", fix="Send a JSON object.") from None
