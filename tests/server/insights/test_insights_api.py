"""The calls over HTTP: who may ask, what comes back, what is said to nonsense."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from ..conftest import SECRET, event
from .conftest import ms

KEY = {"Authorization": f"Bearer {SECRET}"}
CALLS = ["unique", "trends", "funnel", "funnel/people", "retention", "lifecycle", "stickiness", "paths"]
RANGE = {"date_from": "2026-11-02", "date_to": "2026-11-03"}


@pytest.fixture
def visited(client: FlaskClient, store: Any, project: Any) -> FlaskClient:
    rows = [
        ("view", "ann", "2026-11-02 09:00"),
        ("view", "bob", "2026-11-03 09:00"),
        ("buy", "bob", "2026-11-03 10:00"),
    ]
    store.append(project.id, [event(name, who, ms(at)) for name, who, at in rows], ms("2026-11-03"))
    return client


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("key", [{}, {"Authorization": "Bearer bk_tests"}])
def test_a_call_is_closed_without_the_secret_key(client: FlaskClient, call: str, key: dict[str, str]) -> None:
    assert client.post(f"/api/insights/{call}", json={}, headers=key).status_code == 401


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"7", b'"a"', b'{"date_from": "2026-02-30"}', b'{"filters": 3, "target": 3}']
)
def test_a_body_that_is_no_question_is_refused_with_what_to_do(client: FlaskClient, call: str, body: bytes) -> None:
    answer = client.post(f"/api/insights/{call}", data=body, headers=KEY)
    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["detail"]


def test_unique_users(visited: FlaskClient) -> None:
    answer = visited.post("/api/insights/unique", json=RANGE, headers=KEY)
    assert answer.status_code == 200
    assert answer.json == {"persons": 2, "low": 2, "high": 2}


def test_a_trend(visited: FlaskClient) -> None:
    answer = visited.post("/api/insights/trends", json={**RANGE, "event": "view", "math": "dau"}, headers=KEY)
    labels = ["2026-11-02", "2026-11-03"]
    assert answer.json == {"labels": labels, "series": [{"label": "view", "data": [1, 1]}]}


def test_a_funnel_and_the_people_behind_it(visited: FlaskClient) -> None:
    asked = {**RANGE, "steps": [{"event": "view"}, {"event": "buy"}]}
    steps = visited.post("/api/insights/funnel", json=asked, headers=KEY).json["steps"]
    assert [(step["event"], step["count"], step["conversion_from_first"]) for step in steps] == [
        ("view", 2, 1.0),
        ("buy", 1, 0.5),
    ]
    answer = visited.post("/api/insights/funnel/people", json={**asked, "step": 2}, headers=KEY).json
    known = visited.get("/api/persons/bob", headers=KEY).json
    assert [one["person_id"] for one in answer["results"]] == [known["person_id"]]


def test_retention_takes_names_or_objects(visited: FlaskClient) -> None:
    asked = {"target": "view", "returning": {"event": "buy"}, "date_from": "2026-11-02", "periods": 2}
    answer = visited.post("/api/insights/retention", json=asked, headers=KEY).json
    assert answer["cohorts"] == [
        {"start": "2026-11-02", "size": 1, "values": [1, 0], "unfinished": False},
        {"start": "2026-11-03", "size": 1, "values": [1, 0], "unfinished": False},
    ]
