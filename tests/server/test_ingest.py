"""Events over HTTP: every route, the answers that SDKs act upon, and an unmodified PostHog client."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from beknown_server import site as site_module
from beknown_server.errors import TooBusy
from beknown_server.ingest import LIMITS, MAX_NAMED
from beknown_server.intake import MAX_EVENT, SKIPS
from beknown_server.store import Project, Store
from flask import Flask
from flask.testing import FlaskClient
from posthog import Posthog

from .conftest import BOTH_ENGINES, KEY, SECRET, Server, uuid_of

ROUTES = [f"/{route}{end}" for route in LIMITS for end in ("", "/")]
EVENT = {"event": "signed up", "distinct_id": "ada", "properties": {"plan": "pro"}}


def batch(*events: Any, **more: Any) -> dict[str, Any]:
    return {"api_key": KEY, "batch": list(events), **more}


def codes(store: Store, project: Project) -> set[str]:
    return {warning.code for warning in store.warnings(project.id)}


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_answers_exactly_200_and_status_1(
    client: FlaskClient, store: Store, project: Project, route: str
) -> None:
    answer = client.post(route, json=batch(EVENT))
    assert (answer.status_code, answer.json) == (200, {"status": 1})
    (row,) = store.recent(project.id)
    assert (row.event, row.distinct_id, row.properties) == ("signed up", "ada", {"plan": "pro"})


def test_it_takes_what_posthog_js_sends(client: FlaskClient, store: Store, project: Project) -> None:
    raw = {
        **EVENT,
        "uuid": uuid_of(),
        "properties": {"token": KEY, "$session_id": "s1"},
        "timestamp": "2026-11-23T22:00Z",
    }
    body = gzip.compress(json.dumps(batch(raw, sent_at="2026-11-23T22:00:01Z")).encode())
    assert client.post("/e/", data=body, content_type="text/plain").json == {"status": 1}
    beacon = "data=" + base64.b64encode(json.dumps([{**raw, "uuid": uuid_of()}]).encode()).decode()
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert client.post("/e/?compression=base64", data=beacon, headers=form).json == {"status": 1}
    assert client.get("/e/", query_string={"data": json.dumps({**raw, "uuid": uuid_of()})}).json == {"status": 1}
    assert [row.session_id for row in store.recent(project.id)] == ["s1"] * 3


def test_it_takes_what_posthog_node_sends(client: FlaskClient, store: Store, project: Project) -> None:
    identify = {"event": "$identify", "distinct_id": "u1", "properties": {"$set": {"name": "Ada"}, "$set_once": {}}}
    alias = {"event": "$create_alias", "distinct_id": "u1", "properties": {"distinct_id": "u1", "alias": "anon-1"}}
    body = gzip.compress(json.dumps(batch(identify, alias)).encode())
    answer = client.post("/batch/", data=body, headers={"Content-Encoding": "gzip"}, content_type="application/json")
    assert answer.json == {"status": 1}
    person = store.person(project.id, "anon-1")
    assert (person.distinct_ids, person.properties, person.is_identified) == (
        ["u1", "anon-1"],
        {"name": "Ada"},
        False,
    )


def test_engage_sets_properties(client: FlaskClient, store: Store, project: Project) -> None:
    client.post("/engage/", json={"$token": KEY, "$distinct_id": "ada", "$set": {"plan": "pro"}})
    assert store.person(project.id, "ada").properties == {"plan": "pro"}


def test_unusable_events_are_named_and_the_others_stored(client: FlaskClient, store: Store, project: Project) -> None:
    answer = client.post("/batch/", json=batch({"event": "x"}, EVENT, "junk"))
    assert answer.status_code == 200
    assert answer.json == {
        "status": 1,
        "skipped": [{"index": 0, "reason": "no distinct_id"}, {"index": 2, "reason": "not an object"}],
    }
    assert answer.headers["X-Beknown-Refused"] == "2 of 3 events; the first: no distinct_id"
    assert len(store.recent(project.id)) == 1
    found = {warning.code: (warning.count, warning.example, warning.fix) for warning in store.warnings(project.id)}
    assert found == {
        "skipped: no distinct_id": (1, "event: x", SKIPS["no distinct_id"]),
        "skipped: not an object": (1, "junk", SKIPS["not an object"]),
    }


def test_an_answer_names_a_thousand_of_the_unusable_events_and_counts_all(
    client: FlaskClient, store: Store, project: Project
) -> None:
    answer = client.post("/batch/", json=batch(EVENT, *[7] * 2000))
    assert (answer.status_code, len(answer.json["skipped"])) == (200, MAX_NAMED)
    assert answer.headers["X-Beknown-Refused"].startswith("2000 of 2001 events")
    assert [warning.count for warning in store.warnings(project.id)] == [2000]


def test_a_beacon_of_an_old_sdk_is_answered_without_a_body(client: FlaskClient, store: Store, project: Project) -> None:
    answer = client.post("/e/?beacon=1", json=batch(EVENT))
    assert (answer.status_code, answer.data) == (204, b"")
    assert len(store.recent(project.id)) == 1
    assert client.post("/e/?beacon=1", json=batch({})).status_code == 400


def test_a_batch_without_any_usable_event_is_400(client: FlaskClient, store: Store, project: Project) -> None:
    answer = client.post("/batch/", json=batch({"event": "x"}))
    assert (answer.status_code, answer.headers["X-Beknown-Refused"]) == (400, "nothing_usable")
    assert "no distinct_id" in answer.json["detail"]


def test_an_event_that_upstream_drops_in_silence_is_no_refusal(client: FlaskClient) -> None:
    assert client.post("/e/", json=batch({"event": "$performance_event"})).json == {"status": 1}


def test_an_oversized_event_is_skipped_alone(client: FlaskClient, store: Store, project: Project) -> None:
    big = {**EVENT, "properties": {f"p{n}": "x" * 60_000 for n in range(MAX_EVENT // 60_000 + 1)}}
    answer = client.post("/batch/", json=batch(big, EVENT))
    assert answer.json["skipped"] == [{"index": 0, "reason": "event over 1 MiB"}]


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (None, "missing_key"),
        ("", "missing_key"),
        ("bk_unknown", "unknown_key"),
        ("phx_personal", "secret_key"),
        (SECRET, "secret_key"),
        ("k" * 65, "malformed_key"),
        ("schlüssel", "malformed_key"),
        ("a\0b", "malformed_key"),
    ],
)
def test_a_wrong_key_is_401_at_once_with_the_reason(
    client: FlaskClient, store: Store, project: Project, key: str | None, code: str
) -> None:
    answer = client.post("/batch/", json={"api_key": key, "batch": [EVENT]})
    assert (answer.status_code, answer.headers["X-Beknown-Refused"], answer.json["code"]) == (401, code, code)
    assert answer.json["detail"]
    (warning,) = store.warnings(project.id)
    assert (warning.code, warning.count) == (code, 1)
    assert warning.fix
    assert SECRET not in warning.example


@pytest.mark.parametrize("route", ["e", "batch"])
def test_a_body_over_its_routes_limit_is_413(client: FlaskClient, route: str) -> None:
    body = b" " * (LIMITS[route][0] + 1)
    answer = client.post(f"/{route}/", data=body)
    assert (answer.status_code, answer.json["code"]) == (413, "body_too_large")


def test_a_gzip_bomb_is_413(client: FlaskClient) -> None:
    answer = client.post("/e/", data=gzip.compress(b" " * (LIMITS["e"][1] + 1)))
    assert (answer.status_code, answer.json["code"]) == (413, "inflated_too_large")


def test_a_busy_store_is_503_and_says_when_to_come_back(
    client: FlaskClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> None:
        raise TooBusy("queue_full", "too much waits.", retry_after=7)

    monkeypatch.setattr(store, "append", busy)
    answer = client.post("/e/", json=batch(EVENT), headers={"Origin": "https://shop.example"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")
    assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]


def test_a_page_anywhere_may_send_and_read_why_it_was_refused(client: FlaskClient) -> None:
    origin = {"Origin": "https://shop.example"}
    asked = {**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-y"}
    preflight = client.options("/e/", headers=asked)
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Headers"] == "content-type,x-y"
    assert preflight.headers["Access-Control-Allow-Methods"] == "GET, POST, OPTIONS"
    refused = client.post("/e/", json={}, headers=origin)
    for answer in (preflight, refused):
        assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        assert "X-Beknown-Refused" in answer.headers["Access-Control-Expose-Headers"]
        assert "Origin" in answer.headers["Vary"]


def test_a_repeat_is_200_and_stored_once(client: FlaskClient, store: Store, project: Project) -> None:
    raw = {**EVENT, "uuid": uuid_of()}
    assert [client.post("/e/", json=batch(raw)).json for _ in range(3)] == [{"status": 1}] * 3
    assert len(store.recent(project.id)) == 1


def test_a_junk_claim_is_refused_and_shown(client: FlaskClient, store: Store, project: Project) -> None:
    raw = {"event": "$identify", "distinct_id": "ada", "properties": {"$anon_distinct_id": "undefined"}}
    assert client.post("/e/", json=batch(raw)).json == {"status": 1}
    assert [link.rule for link in store.explain(project.id, "ada").refused] == ["junk_id"]
    assert "claim refused: junk_id" in codes(store, project)


def test_a_second_user_on_one_device_is_refused_counted_and_told_to_reset(
    client: FlaskClient, store: Store, project: Project
) -> None:
    for user in ("ada", "bob"):
        page = {"$lib": "web", "$current_url": "https://shop.example/login?next=/"}
        raw = {"event": "$identify", "distinct_id": user, "properties": {"$anon_distinct_id": "anon-1", **page}}
        assert client.post("/e/", json=batch(raw)).json == {"status": 1}
    (warning,) = store.warnings(project.id)
    assert warning.code == "claim refused: already_identified"
    assert warning.example == "'anon-1' as 'bob' (web on https://shop.example/login)"
    assert "reset()" in warning.fix


def test_a_forced_merge_needs_the_projects_leave(client: FlaskClient, store: Store, project: Project) -> None:
    def merge(into: str) -> None:
        raw = {"event": "$merge_dangerously", "distinct_id": into, "properties": {"alias": "old"}}
        assert client.post("/e/", json=batch(raw)).json == {"status": 1}

    merge("one")
    assert store.person(project.id, "one").distinct_ids == ["one"]
    store.set_options(project.id, {"merge_dangerously": True})
    merge("two")
    assert store.person(project.id, "old").distinct_ids == ["two", "old"]


def test_metrics_count_what_happened(client: FlaskClient) -> None:
    client.post("/e/", json=batch({**EVENT, "uuid": "0195a0b2-0000-7000-8000-00000000000a"}, {"event": "x"}))
    client.post("/e/", json=batch({**EVENT, "uuid": "0195a0b2-0000-7000-8000-00000000000a"}))
    client.post("/e/", json={"api_key": "bk_unknown", **EVENT})
    text = client.get("/metrics").text
    for line in (
        "beknown_events_accepted_total 2.0",
        "beknown_events_stored_total 1.0",
        "beknown_events_repeated_total 1.0",
        'beknown_events_skipped_total{reason="no distinct_id"} 1.0',
        'beknown_requests_refused_total{code="unknown_key"} 1.0',
        "beknown_queue_length 0.0",
    ):
        assert line in text
    assert "beknown_commit_seconds_count" in text


def test_the_clock_is_read_once_per_request(
    client: FlaskClient, store: Store, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("beknown_server.ingest.now_ms", lambda: 1_795_471_200_000)
    assert site_module.now_ms() != 1_795_471_200_000
    client.post("/e/", json=batch(EVENT))
    (row,) = store.recent(project.id)
    assert row.timestamp == row.received == 1_795_471_200_000


@BOTH_ENGINES
@pytest.mark.parametrize("zipped", [False, True])
def test_an_unmodified_posthog_client_is_understood(
    serve: Callable[..., Server], app: Flask, database: str, zipped: bool
) -> None:
    server = serve(database=database)
    errors: list[Any] = []
    sdk = Posthog(KEY, host=server.url, on_error=lambda *error: errors.append(error), gzip=zipped, max_retries=0)
    sdk.capture("signed up", distinct_id="ada", properties={"plan": "pro"})
    sdk.set(distinct_id="ada", properties={"name": "Ada"})
    sdk.alias("anon-1", "ada")
    sdk.capture("personless")
    sdk.group_identify("company", "acme", {"size": 3})
    sdk.capture("junk", distinct_id="null")
    sdk.shutdown()
    assert errors == []
    store: Store = app.extensions["beknown"].store
    project = store.projects()[0]
    names = sorted(row.event for row in store.recent(project.id))
    assert names == sorted(["signed up", "$set", "$create_alias", "personless", "$groupidentify", "junk"])
    person = store.person(project.id, "ada")
    assert (person.name, sorted(person.distinct_ids), person.properties) == (
        "Ada",
        ["ada", "anon-1"],
        {"name": "Ada"},
    )
    wrong = Posthog("bk_wrong", host=server.url, on_error=lambda *error: errors.append(error), max_retries=0)
    wrong.capture("x", distinct_id="ada")
    wrong.shutdown()
    assert "no project has this key" in str(errors[0][0])


def test_events_of_a_list_without_times_and_uuids_happened_in_its_order(
    client: FlaskClient, store: Store, project: Project
) -> None:
    for visit in range(10):
        who, anonymous = f"ada-{visit}", {"$anon_distinct_id": f"anon-{visit}"}
        said = [
            {"event": "$identify", "distinct_id": who, "properties": anonymous},
            {"event": "$identify", "distinct_id": f"bob-{visit}", "properties": anonymous},
            *({"event": "$set", "distinct_id": who, "properties": {"$set": {"plan": plan}}} for plan in range(5)),
        ]
        client.post("/batch/", json=batch(*said))
        ada = store.person(project.id, who)
        assert (sorted(ada.distinct_ids), ada.properties) == ([who, f"anon-{visit}"], {"plan": 4})
