"""PostHog's newer wire, row by row of posthog-server §1.12: headers, whole batches, and an answer for each event."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import brotli
import pytest
from beknown_server.envelope import DETAILS
from beknown_server.intake import SKIPS
from beknown_server.store import Project, Store
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from .conftest import KEY, SECRET, uuid_of
from .test_inflate import bare_deflate, zstd

ROUTE = "/i/v1/analytics/events"
HEADERS = {
    "Authorization": f"Bearer {KEY}",
    "PostHog-Sdk-Info": "posthog-python/7.91.1",
    "PostHog-Attempt": "1",
    "PostHog-Request-Id": "0195a0b2-0000-7000-8000-00000000000a",
    "PostHog-Request-Timestamp": "2026-11-23T22:00:00Z",
    "Content-Type": "application/json",
    "User-Agent": "posthog-python/7.91.1",
}
CREATED = "2026-11-23T22:00:00.123456+00:00"


def event(**more: Any) -> dict[str, Any]:
    base = {"event": "x", "uuid": uuid_of(), "distinct_id": "ada", "timestamp": "2026-11-23T22:00:00Z"}
    return {**base, "options": {}, "properties": {}, **more}


def body(*events: Any, **more: Any) -> bytes:
    return json.dumps({"created_at": CREATED, "batch": events, **more}).encode()


def send(client: FlaskClient, data: bytes, route: str = ROUTE, **headers: str | None) -> TestResponse:
    named = {**HEADERS, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return client.post(route, data=data, headers={name: value for name, value in named.items() if value is not None})


def result(client: FlaskClient, raw: dict[str, Any]) -> Any:
    answer = send(client, body(raw))
    assert answer.status_code == 200, answer.text
    return answer.json["results"][raw["uuid"]]


@pytest.mark.parametrize("route", [ROUTE, ROUTE + "/", "/i/v1/ai/events"])
def test_an_event_is_stored_and_answered_by_its_uuid(
    client: FlaskClient, store: Store, project: Project, route: str
) -> None:
    raw = event(
        session_id="s1",
        window_id="w1",
        options={"process_person_profile": True, "product_tour_id": "t", "cookieless_mode": None, "other": 1},
        properties={"plan": "pro", "$set": {"name": "Ada"}, "$set_once": {"first": 1}},
    )
    answer = send(client, body(raw, historical_migration=True), route)
    assert (answer.status_code, answer.json) == (200, {"results": {raw["uuid"]: {"result": "ok"}}})
    (row,) = store.recent(project.id)
    assert (row.uuid, row.event, row.distinct_id, row.session_id) == (raw["uuid"], "x", "ada", "s1")
    assert row.properties["$lib"] == "posthog-python"
    assert row.properties["$lib_version"] == "7.91.1"
    assert row.properties["$window_id"] == "w1"
    assert row.properties["$process_person_profile"] is True
    assert row.properties["$product_tour_id"] == "t"
    assert "$cookieless_mode" not in row.properties
    assert store.person(project.id, "ada").properties == {"name": "Ada", "first": 1}


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        ("", bytes),
        ("identity", bytes),
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", bare_deflate),
        ("br", brotli.compress),
        ("zstd", zstd.compress),
        ("GZIP", gzip.compress),
    ],
)
def test_every_encoding_is_read(client: FlaskClient, encoding: str, compress: Any) -> None:
    raw = event()
    answer = send(client, compress(body(raw)), Content_Encoding=encoding)
    assert answer.json == {"results": {raw["uuid"]: {"result": "ok"}}}


def test_the_clock_is_the_request_s_and_an_event_may_keep_its_own_time(
    client: FlaskClient, store: Store, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("beknown_server.ingest_v1.now_ms", lambda: 1_795_471_200_000)  # 2026-11-23T22:00:00Z
    late = {"PostHog_Request_Timestamp": "2026-11-23T21:00:00Z"}  # an hour behind
    send(client, body(event(event="corrected", timestamp="2026-11-23T20:59:00Z")), **late)
    kept = event(event="kept", timestamp="2026-11-23T20:59:00Z", options={"disable_skew_correction": True})
    send(client, body(kept), **late)
    times = {row.event: row.timestamp for row in store.recent(project.id)}
    assert times == {"corrected": 1_795_471_200_000 - 60_000, "kept": 1_795_471_200_000 - 3_660_000}


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Authorization": None}, 401, "missing_key"),
        ({"Authorization": "Basic abc"}, 400, "bad_header"),
        ({"Authorization": "Bearer "}, 400, "bad_header"),
        ({"Authorization": "Bearer bk_unknown"}, 401, "unknown_key"),
        ({"Authorization": f"Bearer {SECRET}"}, 401, "secret_key"),
        ({"PostHog_Sdk_Info": None}, 400, "bad_header"),
        ({"PostHog_Sdk_Info": "curl"}, 400, "bad_header"),
        ({"PostHog_Attempt": None}, 400, "bad_header"),
        ({"PostHog_Attempt": "0"}, 400, "bad_header"),
        ({"PostHog_Attempt": "two"}, 400, "bad_header"),
        ({"PostHog_Request_Id": None}, 400, "bad_header"),
        ({"PostHog_Request_Id": "7"}, 400, "bad_header"),
        ({"PostHog_Request_Timestamp": None}, 400, "bad_header"),
        ({"PostHog_Request_Timestamp": "yesterday"}, 400, "bad_header"),
        ({"PostHog_Request_Timestamp": "2026-11-23T22:00:00"}, 400, "bad_header"),
        ({"User_Agent": ""}, 400, "bad_header"),
        ({"Content_Type": "text/plain"}, 415, "wrong_content_type"),
        ({"Content_Type": None}, 415, "wrong_content_type"),
        ({"Content_Encoding": "compress"}, 415, "wrong_encoding"),
        ({"Content_Encoding": "gzip"}, 400, "bad_gzip"),
    ],
)
def test_each_header_must_be_right(
    client: FlaskClient, store: Store, project: Project, headers: dict[str, str | None], status: int, code: str
) -> None:
    answer = send(client, body(event()), **headers)
    assert (answer.status_code, answer.json["code"], answer.headers["X-Beknown-Refused"]) == (status, code, code)
    assert answer.json["error"] == code
    assert answer.json["error_description"] == answer.json["detail"]
    assert answer.json["error_uri"].endswith("/warnings")
    (warning,) = store.warnings(project.id)
    assert (warning.code, warning.count) == (code, 1)
    assert warning.fix
    assert store.recent(project.id) == []


SAME = "0195a0b2-0000-7000-8000-00000000000b"


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"", 400, "not_json"),
        (b"{", 400, "not_json"),
        (b"[]", 400, "not_events"),
        (body(), 400, "empty_batch"),
        (body(event(), created_at="2026-11-23"), 400, "bad_created_at"),
        (body(event(), created_at=None), 400, "bad_created_at"),
        (json.dumps({"created_at": CREATED, "batch": "x"}).encode(), 400, "not_events"),
        (body(event(), event(uuid=None)), 400, "bad_uuid"),
        (body(event(), event(uuid="7")), 400, "bad_uuid"),
        (body("junk"), 400, "bad_uuid"),
        (body(event(uuid=SAME), event(uuid=SAME.upper())), 400, "repeated_uuid"),
        (b" " * (10 * (1 << 20) + 1), 413, "body_too_large"),
    ],
)
def test_a_batch_whose_answer_could_not_be_written_is_refused(
    client: FlaskClient, store: Store, project: Project, data: bytes, status: int, code: str
) -> None:
    answer = send(client, data)
    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert [warning.code for warning in store.warnings(project.id)] == [code]
    assert store.recent(project.id) == []


@pytest.mark.parametrize(
    ("more", "details"),
    [
        ({"event": None}, "missing_event_name"),
        ({"event": " "}, "missing_event_name"),
        ({"event": "n" * 201}, "event_name_too_long"),
        ({"distinct_id": None}, "missing_distinct_id"),
        ({"distinct_id": " "}, "missing_distinct_id"),
        ({"distinct_id": "i" * 201}, "distinct_id_too_large"),
        ({"timestamp": None}, "invalid_event_timestamp"),
        ({"timestamp": "yesterday"}, "invalid_event_timestamp"),
        ({"timestamp": "2026-11-23 22:00"}, "invalid_event_timestamp"),
        ({"timestamp": 1_795_471_200_000}, "invalid_event_timestamp"),
        ({"properties": []}, "malformed_event_properties"),
        ({"properties": "x"}, "malformed_event_properties"),
        ({"options": []}, "invalid_options"),
        ({"options": {"process_person_profile": "false"}}, "invalid_options"),
        ({"options": {"product_tour_id": 7}}, "invalid_options"),
        ({"properties": {f"p{n}": "x" * 60_000 for n in range(18)}}, "event_too_big"),
    ],
)
def test_an_event_is_dropped_by_name_and_the_others_are_stored(
    client: FlaskClient, store: Store, project: Project, more: dict[str, Any], details: str
) -> None:
    bad, good = event(**more), event()
    answer = send(client, body(bad, good))
    assert answer.json == {
        "results": {bad["uuid"]: {"result": "drop", "details": details}, good["uuid"]: {"result": "ok"}}
    }
    assert [row.uuid for row in store.recent(project.id)] == [good["uuid"]]
    (warning,) = store.warnings(project.id)
    reason = warning.code.removeprefix("skipped: ")
    assert (DETAILS[reason], warning.fix, warning.count) == (details, SKIPS[reason], 1)
    assert warning.example.endswith(" (posthog-python 7.91.1)")  # the header's: few senders say it in the event too


@pytest.mark.parametrize("distinct_id", ["i" * 201, " "])
def test_a_dropped_event_is_shown_with_its_own_library_and_page(
    client: FlaskClient, store: Store, project: Project, distinct_id: str
) -> None:
    about = {"$lib": "shop", "$lib_version": "2", "$current_url": "https://shop.example/cart?secret=1"}
    assert result(client, event(distinct_id=distinct_id, properties=about))["result"] == "drop"
    (warning,) = store.warnings(project.id)
    assert warning.example.endswith(" (shop 2 on https://shop.example/cart)")


def test_a_session_is_kept_of_an_event_without_properties(client: FlaskClient, store: Store, project: Project) -> None:
    assert result(client, event(session_id="s1", properties=None)) == {"result": "ok"}
    (row,) = store.recent(project.id)
    assert (row.session_id, row.properties["$lib"]) == ("s1", "posthog-python")


PLACEHOLDERS = (
    "0|00000000-0000-0000-0000-000000000000|[object object]|anonymous|anonymous-user|backend|distinct_id|distinctid|"
    "email|false|guest|id|nan|none|not_authenticated|null|system|true|undefined|user"
).split("|")


@pytest.mark.parametrize("distinct_id", [*PLACEHOLDERS, " Anonymous "])
def test_a_placeholder_is_stored_with_a_warning(
    client: FlaskClient, store: Store, project: Project, distinct_id: str
) -> None:
    assert result(client, event(distinct_id=distinct_id)) == {
        "result": "warning",
        "details": "person_processing_disabled",
    }
    (row,) = store.recent(project.id)
    assert row.distinct_id == distinct_id.strip()
    assert [warning.code for warning in store.warnings(project.id)] == ["junk_id"]


def test_blanks_around_an_id_are_trimmed(client: FlaskClient, store: Store, project: Project) -> None:
    assert result(client, event(distinct_id=" ada ")) == {"result": "ok"}
    assert [row.distinct_id for row in store.recent(project.id)] == ["ada"]


def test_a_second_attempt_is_ok_and_stored_once(client: FlaskClient, store: Store, project: Project) -> None:
    raw = event()
    assert [send(client, body(raw), PostHog_Attempt=str(n)).status_code for n in (1, 2)] == [200, 200]
    assert len(store.recent(project.id)) == 1


def test_everything_dropped_is_still_200(client: FlaskClient) -> None:
    raw = event(event="")
    assert result(client, raw) == {"result": "drop", "details": "missing_event_name"}


def test_only_post_is_taken_and_pages_may_ask_first(client: FlaskClient) -> None:
    assert client.get(ROUTE).status_code == 405
    asked = client.options(ROUTE, headers={"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"})
    assert (asked.status_code, asked.headers["Access-Control-Allow-Origin"]) == (200, "https://shop.example")
