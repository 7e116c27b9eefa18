"""A write key stands in public pages: it must open nothing. Every route of the application is asked with one."""

from __future__ import annotations

from typing import Any

import pytest
from beknown_server.site import EXTENSION
from beknown_server.store import Project, Store
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from .conftest import KEY, SECRET, event, uuid_of

UUID, PERSON = uuid_of(), "the-person"
# What only somebody who may read can know: none of it is in any request.
KNOWN = ["mark-of-an-event", "mark-of-a-property", "mark-of-a-user@x.example", "mark-of-a-warning", SECRET]
# Routes that answer 200 to anybody: what they are for. A new one has to be written down here.
PUBLIC = {
    "taking events": "/batch /e /i/v0/e /capture /track /engage /i/v0/ai/batch /i/v0/ai /i/v1/analytics/events "
    "/i/v1/ai/events /run /pixel.gif",
    "nothing, for unmodified SDKs": "/flags /decide /s /test/black_hole /i/v1/logs /i/v1/metrics /i/v1/traces "
    "/i/v0/ai/otel /flags/definitions /api/feature_flag/local_evaluation /array/<key>/config "
    "/array/<key>/config.js /api/surveys /api/product_tours /api/early_access_features /api/web_experiments",
    "health": "/healthz/live /healthz/ready /metrics /_readiness /_liveness",
    "the description of the API": "/api/openapi.json",
    "logging in": "/login",
}
OPEN = {path for paths in PUBLIC.values() for path in paths.split()}


@pytest.fixture
def filled(app: Flask, store: Store, project: Project) -> Flask:
    """The application with something to read in every corner."""
    at = 1_795_000_000_000
    mail = {"email": "mark-of-a-user@x.example"}
    store.append(
        project.id,
        [event("mark-of-an-event", PERSON, at, uuid=UUID, properties={"plan": "mark-of-a-property"}, set_=mail)],
        at,
    )
    store.warn(project.id, "junk_id", "mark-of-a-warning", "mend it", at)
    assert store.person(project.id, PERSON).name == "mark-of-a-user@x.example"
    return app


def address(app: Flask, rule: Rule, project: Project) -> str:
    """Give the rule's address for the things that are stored."""
    values: dict[str, Any] = {
        "project": project.id,
        "id": PERSON,
        "uuid": UUID,
        "link": UUID,
        "event": UUID,
        "key": KEY,
    }
    given = {name: values.get(name, PERSON) for name in rule.arguments}
    given = {name: 1 if "int:" + name in rule.rule else value for name, value in given.items()}
    with app.test_request_context():
        adapter = app.url_map.bind("localhost")
        return adapter.build(rule.endpoint, given, method=next(iter(rule.methods or {"GET"})))


WAYS: list[dict[str, Any]] = [
    {"headers": {"Authorization": f"Bearer {KEY}"}},
    {"headers": {"Authorization": f"bearer  {KEY} "}},
    {"query_string": {"api_key": KEY, "token": KEY, "secret_key": KEY, "key": KEY, "personal_api_key": KEY}},
    {"json": {"api_key": KEY, "token": KEY, "secret_key": KEY}, "headers": {"Authorization": f"Bearer {KEY}"}},
    {"data": {"secret_key": KEY, "key": KEY, "token": KEY}, "headers": {"X-Api-Key": KEY, "Cookie": f"beknown={KEY}"}},
]


def routes(app: Flask) -> list[tuple[Rule, str]]:
    methods = ("GET", "POST", "PUT", "PATCH", "DELETE")
    return [(rule, method) for rule in app.url_map.iter_rules() for method in methods if method in (rule.methods or ())]


@pytest.mark.parametrize("way", range(len(WAYS)))
def test_no_route_tells_a_write_key_anything(filled: Flask, store: Store, project: Project, way: int) -> None:
    client: FlaskClient = filled.test_client()
    filled.testing = False  # an error of ours would be an answer, too
    before, asked = len(store.recent(project.id)), 0
    for rule, method in routes(filled):
        path = address(filled, rule, project)
        options = {name: value for name, value in WAYS[way].items() if method != "GET" or name not in ("json", "data")}
        answer = client.open(path, method=method, buffered=False, **options)
        where = f"{method} {path} -> {answer.status_code}"
        assert answer.mimetype != "text/event-stream", where
        assert answer.status_code < 500, where
        if answer.status_code in (200, 201, 204):
            is_asset = rule.endpoint.startswith(("assets.", "furniture."))
            assert is_asset or rule.rule.rstrip("/") in OPEN, f"{where}: who may read this?"
        told = answer.get_data() + str(answer.headers).encode()
        assert not [mark for mark in KNOWN if mark.encode() in told], where
        asked += 1
        answer.close()
    assert asked > 80
    assert len(store.recent(project.id)) >= before  # nothing was deleted either
    assert store.person(project.id, PERSON).distinct_ids == [PERSON]
    assert store.project_by_secret_key(SECRET, now=1_795_000_000_000) is not None


def test_the_same_routes_do_tell_the_secret_key(filled: Flask) -> None:
    """The walk would notice: with the secret key the marks are there."""
    headers = {"Authorization": f"Bearer {SECRET}"}
    client = filled.test_client()
    told = "".join(client.get(f"/api/{what}", headers=headers).text for what in ("events", "persons", "warnings"))
    assert [mark for mark in KNOWN if mark in told] == KNOWN[:4]


def test_an_answer_to_events_says_nothing_of_the_person(filled: Flask) -> None:
    """Also not whether an id is known: an answer is the same for a stranger's id."""
    client = filled.test_client()
    answers = [
        client.post("/e/", json={"api_key": KEY, "event": "x", "distinct_id": who}).data for who in (PERSON, "nobody")
    ]
    assert answers[0] == answers[1] == b'{"status":1}'
    assert filled.extensions[EXTENSION].store.person(1, "nobody") is not None


@pytest.mark.parametrize("origin", ["http://[", "https://[::1", "null", "x", "https://other.example:port", "a" * 9000])
def test_an_origin_that_is_none_is_refused_not_an_error(
    app: Flask, store: Store, project: Project, origin: str
) -> None:
    store.set_options(project.id, {"origins": ["shop.example"]})
    client = app.test_client()
    answer = client.post("/e/", json={"api_key": KEY, "event": "x", "distinct_id": "ada"}, headers={"Origin": origin})
    assert (answer.status_code, answer.json["code"]) == (403, "origin_not_allowed")
