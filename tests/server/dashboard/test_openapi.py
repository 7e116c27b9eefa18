"""The description of the API is complete, well formed, and what the API really answers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import openapi_spec_validator
import pytest
from beknown_server import funnel, openapi
from jsonschema import Draft202012Validator

from .conftest import NOW, Dashboard

KEY = {"Authorization": "Bearer bks_dashboardtests"}
DAYS = {"date_from": "2026-11-20", "date_to": "2026-11-24"}
STEPS = [{"event": "$pageview"}, {"event": "Signed up"}]
# What each call of a POST is asked here: all that it knows, at least once.
BODIES: dict[str, list[dict[str, Any]]] = {
    "unique": [{}, {"event": "$pageview", **DAYS}],
    "trends": [DAYS, {"math": "avg", "property": "amount", "breakdown": "plan", "breakdown_type": "person", **DAYS}],
    "funnel": [{"steps": STEPS, **DAYS}, {"steps": STEPS, "breakdown": "plan", **DAYS}],
    "funnel/people": [
        {"steps": STEPS, "step": 2, **DAYS},
        {"steps": STEPS, "breakdown": "plan", "breakdown_value": "pro", "who": "converted", **DAYS},
    ],
    "retention": [{"target": "$pageview", "returning": {"event": "Signed up"}, "period": "day"}],
    "lifecycle": [{"event": "$pageview", "interval": "week", **DAYS}],
    "stickiness": [{"mode": "or_more", **DAYS}],
    "paths": [{"steps": 3, **DAYS}],
    "funnel/trend": [{"steps": STEPS, "interval": "week", **DAYS}],
    "sessions": [DAYS],
}


def test_every_route_is_described_and_nothing_else(dashboard: Dashboard) -> None:
    served = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(rule)).rstrip("/"), method.lower())
        for rule in dashboard.app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if str(rule).startswith("/api") and rule.endpoint != "api.unknown"
    }
    described = {(path, method) for path, calls in openapi.PATHS.items() for method in calls}
    assert described == served


@pytest.mark.parametrize("path", ["/api/", "/api/nothing", "/api/persons/a%0Ab", "/api/merges/true/undo"])
def test_a_call_that_there_is_not_is_refused_in_json_too(dashboard: Dashboard, path: str) -> None:
    answer = dashboard.client().post(path)
    assert (answer.status_code, answer.json["code"]) == (404, "unknown_call")


def test_the_people_behind_a_bar_are_said_to_be_cut_off() -> None:
    call, most = openapi.PATHS["/api/insights/funnel/people"]["post"], f"{funnel.MOST_PEOPLE:,} at most"
    assert most in call["summary"]
    assert most in " ".join((Path(__file__).parents[3] / "docs/numbers.md").read_text().split())


def test_it_is_open_and_well_formed(dashboard: Dashboard) -> None:
    answer = dashboard.client().get("/api/openapi.json")
    assert answer.status_code == 200
    openapi_spec_validator.validate(answer.json)


def checked(answer: Any, path: str, method: str) -> None:
    """Hold an answer against its schema."""
    described = openapi.PATHS[path][method]["responses"][str(answer.status_code)]
    (schema,) = (one["schema"] for one in described["content"].values())
    Draft202012Validator({**schema, "components": openapi.document()["components"]}).validate(answer.json)


@pytest.mark.parametrize(
    "path", [path for path, calls in openapi.PATHS.items() if "get" in calls and "live" not in path]
)
def test_what_is_answered_is_what_is_described(ada: Dashboard, path: str) -> None:
    ada.happens("$identify", "eve", at=NOW, anon="ada")
    ada.store.warn(ada.project.id, "junk_id", "null", "Mend it.", NOW)
    client = ada.client()
    address = re.sub(r"\{\w+\}", "ada", path)
    checked(client.get(address, headers=KEY), path, "get")
    if "security" not in openapi.PATHS[path]["get"]:
        checked(client.get(address), path, "get")  # a refusal
    if "{any_id}" in path:
        checked(client.get(path.replace("{any_id}", "nobody"), headers=KEY), path, "get")


@pytest.mark.parametrize(
    "path", [path for path, calls in openapi.PATHS.items() if "post" in calls and "insights" in path]
)
def test_each_question_is_answered_as_described(ada: Dashboard, path: str) -> None:
    client = ada.client()
    accepted = openapi.PATHS[path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    for body in BODIES[path.removeprefix("/api/insights/")]:
        Draft202012Validator({**accepted, "components": openapi.document()["components"]}).validate(body)
        assert set(body) <= set(accepted["properties"])
        answer = client.post(path, json=body, headers=KEY)
        assert answer.status_code == 200, answer.text
        checked(answer, path, "post")
    refused = client.post(path, json={"date_from": "soon", "filters": 1}, headers=KEY)
    assert refused.status_code == 400
    checked(refused, path, "post")
    checked(client.post(path, json={}), path, "post")
