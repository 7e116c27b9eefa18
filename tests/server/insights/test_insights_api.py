"""The calls over HTTP: who may ask, what comes back, what is said to nonsense."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from ..conftest import SECRET, event
from .conftest import ms

KEY = {"Authorization": f"Bearer {SECRET}"}
CALLS = ["unique", "trends"]
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
@pytest.mark.parametrize("body", [b"{", b"[]", b"7", b'"a"', b'{"date_from": "2026-02-30"}', b'{"filters": 3}'])
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
