"""For whoever runs it: alive, ready, and mounted where they want it; and what SDKs ask for besides."""

from __future__ import annotations

import pytest
from beknown_server import Settings, create_app, mount
from beknown_server.store import open_store
from flask import Flask
from flask.testing import FlaskClient

from .conftest import BOTH_ENGINES, KEY, NOW


@BOTH_ENGINES
def test_ready_says_which_migrations_are_missing(database: str) -> None:
    store = open_store(database)
    client = create_app(Settings(database=database, migrate="no"), store=store).test_client()
    assert client.get("/healthz/live").status_code == 200
    answer = client.get("/healthz/ready")
    assert answer.status_code == 503
    assert answer.json["pending"]
    assert "beknown migrate" in answer.json["detail"]
    store.migrate()
    assert client.get("/healthz/ready").json == {"status": "ready"}
    store.close()


def test_ready_says_that_the_database_is_away() -> None:
    url = "postgresql://nobody@/none?host=/nonexistent"
    app = Flask(__name__)
    site = mount(app, Settings(database=url))
    answer = app.test_client().get("/healthz/ready")
    assert answer.status_code == 503
    assert "cannot be reached" in answer.json["detail"]
    sent = app.test_client().post("/e/", json={"api_key": KEY, "event": "x", "distinct_id": "ada"})
    assert (sent.status_code, sent.headers["Retry-After"]) == (503, "1")
    site.store.close()


def test_it_can_be_mounted_under_a_prefix_in_another_application(database: str) -> None:
    app = Flask("shop")
    site = mount(app, Settings(database=database), url_prefix="/analytics")  # a new database is made ready
    site.store.create_project("Tests", KEY, "bks_x", NOW)
    client = app.test_client()
    sent = client.post("/analytics/e/", json={"api_key": KEY, "event": "x", "distinct_id": "ada"})
    assert sent.json == {"status": 1}
    assert client.post("/analytics/e/", json={}).headers["X-Beknown-Refused"] == "missing_key"
    assert client.get("/e/").status_code == 404
    site.store.close()


@pytest.mark.parametrize("path", ["/flags/?v=2", "/flags?v=4", "/decide/?v=3"])
def test_flags_are_off(client: FlaskClient, path: str) -> None:
    answer = client.post(path, json={"token": KEY}, headers={"Origin": "https://shop.example"})
    assert answer.status_code == 200
    assert answer.json["featureFlags"] == {}
    assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert client.options(path).status_code == 200


@pytest.mark.parametrize("path", ["/array/bk_x/config", "/api/surveys/?token=x", "/flags/definitions?token=x"])
def test_what_sdks_fetch_is_json_with_everything_off(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert isinstance(answer.json, dict)


def test_session_replay_is_taken_and_thrown_away(client: FlaskClient) -> None:
    assert client.post("/s/", data=b"x" * 100_000).json == {"status": 1}
