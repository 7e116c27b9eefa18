"""PostHog's wire, row by row of posthog-server §1: each route, shape, place, limit, time and refusal as it is answered.

What each compression and each odd body does is in test_payload.py, the newer wire in test_ingest_v1.py.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any
from urllib.parse import quote

import pytest
from beknown_server.ingest import LIMITS
from beknown_server.intake import SKEW_MS, Terms, taken
from beknown_server.site import EXTENSION
from beknown_server.store import Project, Row, Store
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from .conftest import KEY, SECRET, uuid_of

NOW = 1_795_471_200_000  # 2026-11-23T22:00:00Z
EVENT = {"event": "x", "distinct_id": "ada"}
FORM = "application/x-www-form-urlencoded"
ORIGIN = {"Origin": "https://shop.example"}
MIB = 1 << 20


@pytest.fixture(autouse=True)
def at_ten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for module in ("ingest", "parts"):
        monkeypatch.setattr(f"beknown_server.{module}.now_ms", lambda: NOW)
    return


def keyed(**more: Any) -> dict[str, Any]:
    return {"api_key": KEY, **EVENT, **more}


def text(document: Any) -> str:
    return json.dumps(document)


def base64d(document: Any) -> str:
    return base64.b64encode(text(document).encode()).decode()


def only(client: FlaskClient) -> Row:
    (row,) = client.application.extensions[EXTENSION].store.recent(1)
    return row


# §1.1: routes ---------------------------------------------------------------------------------------------------


CAPTURE = ["/batch", "/e", "/i/v0/e", "/capture", "/track", "/engage", "/i/v0/ai/batch"]


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("route", CAPTURE)
def test_a_capture_route_takes_post_get_and_options(client: FlaskClient, route: str, slash: str) -> None:
    posted = client.post(route + slash, json=keyed(event="posted"), headers=ORIGIN)
    got = client.get(route + slash, query_string={"data": text(keyed(event="got"))})
    asked = client.options(route + slash, headers=ORIGIN)
    assert [(answer.status_code, answer.json) for answer in (posted, got)] == [(200, {"status": 1})] * 2
    assert (asked.status_code, asked.headers["Access-Control-Allow-Origin"]) == (200, "https://shop.example")
    stored = client.application.extensions[EXTENSION].store.recent(1)
    assert {row.event for row in stored} == {"posted", "got"}
    assert client.put(route + slash).status_code == 405


@pytest.mark.parametrize(
    ("route", "most"), [(r[1:], 20 * MIB if "batch" in r else 2 * MIB) for r in CAPTURE], ids=CAPTURE
)
def test_a_capture_route_has_the_limit_of_its_row(client: FlaskClient, route: str, most: int) -> None:
    assert LIMITS[route][0] == most
    body = text(keyed()).encode()
    assert client.post(f"/{route}", data=body + b" " * (most - len(body))).status_code == 200
    refused = client.post(f"/{route}", data=body + b" " * (most - len(body) + 1))
    assert (refused.status_code, refused.json["code"]) == (413, "body_too_large")


ANSWERS: list[tuple[str, str, int, Any]] = [
    ("POST", "/s/", 200, {"status": 1}),
    ("POST", "/test/black_hole", 200, {"status": 1}),
    ("POST", "/i/v1/logs", 200, {}),
    ("POST", "/i/v1/metrics", 200, {}),
    ("POST", "/i/v1/traces", 200, {}),
    ("POST", "/i/v0/ai/otel", 200, {}),
    ("GET", "/flags/definitions?token=x&send_cohorts", 200, {"flags": [], "group_type_mapping": {}, "cohorts": {}}),
    ("GET", "/api/feature_flag/local_evaluation/?token=x", 200, {"flags": [], "group_type_mapping": {}, "cohorts": {}}),
    ("GET", "/api/surveys/?token=x", 200, {"surveys": []}),
    ("GET", "/api/product_tours/?token=x", 200, {"product_tours": []}),
    ("GET", "/api/early_access_features/?token=x", 200, {"earlyAccessFeatures": []}),
    ("GET", "/api/web_experiments/?token=x", 200, {"experiments": []}),
]


@pytest.mark.parametrize(("method", "path", "status", "answer"), ANSWERS, ids=[row[1] for row in ANSWERS])
def test_what_is_not_here_is_answered_harmlessly(
    client: FlaskClient, store: Store, project: Project, method: str, path: str, status: int, answer: Any
) -> None:
    bare, _, query = path.partition("?")
    for one in (bare.rstrip("/"), bare.rstrip("/") + "/"):
        got = client.open(
            one, method=method, query_string=query, data=b"x" if method == "POST" else None, headers=ORIGIN
        )
        assert (got.status_code, got.json) == (status, answer)
        assert got.headers["Access-Control-Allow-Origin"] == "https://shop.example"
        assert client.options(one, headers=ORIGIN).status_code == 200
    assert store.recent(project.id) == []
    assert store.warnings(project.id) == []


@pytest.mark.parametrize("path", ["/flags/?v=2", "/flags/?v=4", "/decide/?v=3"])
def test_there_are_no_flags(client: FlaskClient, path: str) -> None:
    answer = client.post(path, json={"token": KEY, "distinct_id": "ada"}).json
    assert answer["featureFlags"] == {}
    assert answer["errorsWhileComputingFlags"] is False
    assert path.startswith("/decide") or (answer["flags"] == {} and len(answer["requestId"]) == 36)


def test_the_remote_configuration_is_the_same_as_json_and_as_a_script(client: FlaskClient) -> None:
    config = client.get(f"/array/{KEY}/config").json
    assert {"gzip", "gzip-js"} <= set(config["supportedCompression"])
    assert (config["sessionRecording"], config["heatmaps"], config["siteApps"]) == (False, False, [])
    script = client.get(f"/array/{KEY}/config.js")
    assert script.mimetype == "text/javascript"
    assert script.headers["X-Content-Type-Options"] == "nosniff"
    told = script.text.partition("{}, ")[2].removesuffix(");")
    assert json.loads(told) == {KEY: {"config": config, "siteApps": []}}
    told = client.get("/array/a<script>b/config.js")
    assert (told.status_code, "<" in told.text, "\\u003cscript" in told.text) == (200, False, True)


def test_definitions_of_flags_are_sent_once(client: FlaskClient) -> None:
    first = client.get("/flags/definitions?token=x")
    again = client.get("/flags/definitions?token=x", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_a_flag_s_own_configuration_does_not_exist(client: FlaskClient) -> None:
    answer = client.get("/api/projects/@current/feature_flags/beta/remote_config?token=x")
    assert (answer.status_code, answer.json["code"]) == (404, "no_such_flag")


def test_who_pasted_posthog_s_snippet_is_told_what_to_do(client: FlaskClient, store: Store, project: Project) -> None:
    answer = client.get("/static/array.js", headers=ORIGIN)
    assert (answer.status_code, answer.headers["X-Beknown-Refused"]) == (404, "no_such_script")
    assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    (warning,) = store.warnings(project.id)
    assert warning.fix.startswith("Load its dist/array.js from your own site")


def test_an_opentelemetry_client_that_speaks_protobuf_is_answered_in_it(client: FlaskClient) -> None:
    answer = client.post("/i/v1/traces", data=b"\x0a\x00", content_type="application/x-protobuf")
    assert (answer.status_code, answer.data, answer.mimetype) == (200, b"", "application/x-protobuf")


@pytest.mark.parametrize("path", ["/_readiness", "/_liveness"])
def test_upstream_s_probes_are_answered(client: FlaskClient, path: str) -> None:
    assert (client.get(path).text, client.get(path).mimetype) == ("capture", "text/plain")


# §1.1: an AI event in parts ---------------------------------------------------------------------------------------


def parts(**more: Any) -> dict[str, Any]:
    event = (BytesIO(text({"event": "$ai_generation", "distinct_id": "ada"}).encode()), "event.json")
    return {"event": event, **more}


def in_parts(client: FlaskClient, fields: dict[str, Any], **headers: str) -> TestResponse:
    named = {"Authorization": f"Bearer {KEY}", **headers}
    return client.post("/i/v0/ai", data=fields, content_type="multipart/form-data", headers=named)


def test_an_ai_event_in_parts_is_one_event(client: FlaskClient) -> None:
    answer = in_parts(
        client,
        parts(
            **{
                "event.properties": text({"$ai_model": "small"}),
                "event.properties.$ai_input": text([{"role": "user", "content": "hello"}]),
                "event.properties.$ai_output": "plain text",
                "event.properties.audio": (BytesIO(b"\xff\xfe\xfd"), "sound.wav"),
            }
        ),
    )
    assert (answer.status_code, answer.json["status"]) == (200, 1)
    assert len(answer.json["accepted_parts"]) == 5
    row = only(client)
    assert (row.event, row.distinct_id) == ("$ai_generation", "ada")
    assert row.properties == {
        "$ai_model": "small",
        "$ai_input": [{"role": "user", "content": "hello"}],
        "$ai_output": "plain text",
        "audio": "3 bytes",
    }


@pytest.mark.parametrize(
    ("fields", "headers", "status", "code"),
    [
        ({"x": "1"}, {}, 400, "no_event_part"),
        ({"event": "{"}, {}, 400, "not_json"),
        ({"event": "[]"}, {}, 400, "not_events"),
        ({"event": "{}"}, {}, 400, "nothing_usable"),
        ({"event": text(EVENT)}, {"Authorization": ""}, 401, "missing_key"),
        ({"event": text(EVENT)}, {"Authorization": "Bearer bk_other"}, 401, "unknown_key"),
        ({f"event.properties.p{n}": "1" for n in range(200)}, {}, 413, "body_too_large"),
    ],
)
def test_parts_that_make_no_event_are_refused(
    client: FlaskClient, fields: dict[str, Any], headers: dict[str, str], status: int, code: str
) -> None:
    answer = in_parts(client, fields, **headers)
    assert (answer.status_code, answer.json["code"]) == (status, code)


def test_an_ai_event_that_is_not_in_parts_is_refused(client: FlaskClient) -> None:
    answer = client.post("/i/v0/ai", json=keyed())
    assert (answer.status_code, answer.json["code"]) == (415, "wrong_content_type")


# §1.4: shapes of a body -------------------------------------------------------------------------------------------


SHAPES: list[tuple[str, str, dict[str, Any], int]] = [
    ("one event", "/e/", {"json": keyed()}, 1),
    ("a list", "/e/", {"json": [keyed(), keyed()]}, 2),
    ("a batch with api_key", "/batch/", {"json": {"api_key": KEY, "batch": [EVENT, EVENT]}}, 2),
    ("a batch with token", "/e/", {"json": {"token": KEY, "batch": [EVENT]}}, 1),
    ("a historical batch", "/batch/", {"json": {"api_key": KEY, "historical_migration": True, "batch": [EVENT]}}, 1),
    ("data= in the address", "/e/", {"query_string": {"data": text([keyed()])}}, 1),
    ("data= in the address, as base64", "/e/", {"query_string": {"data": base64d([keyed()])}}, 1),
    ("data= in a form", "/e/", {"data": "data=" + quote(text([keyed()])), "content_type": FORM}, 1),
    (
        "data= in a form, as base64",
        "/e/?compression=base64",
        {"data": "data=" + quote(base64d([keyed()])), "content_type": FORM},
        1,
    ),
    ("gzip that nobody announced", "/e/", {"data": gzip.compress(text(keyed()).encode())}, 1),
    ("base64 in gzip, where it is old", "/capture/", {"data": gzip.compress(base64d(keyed()).encode())}, 1),
    ("a retry of posthog-js", "/e/?retry_count=3", {"json": keyed()}, 1),
    ("posthog-js 1.200", "/e/?ip=1&_=1795471200000&ver=1.200.1", {"json": [keyed(offset=5)]}, 1),
    ("what upstream drops in silence", "/e/", {"json": keyed(event="$performance_event")}, 0),
]


@pytest.mark.parametrize(("path", "body", "events"), [row[1:] for row in SHAPES], ids=[row[0] for row in SHAPES])
def test_every_shape_is_read(client: FlaskClient, store: Store, path: str, body: dict[str, Any], events: int) -> None:
    answer = client.open(path, method="GET" if "query_string" in body else "POST", **body)
    assert (answer.status_code, answer.json) == (200, {"status": 1})
    assert len(store.recent(1)) == events
    assert store.warnings(1) == []


def test_engage_without_a_name_is_an_identify(client: FlaskClient, store: Store) -> None:
    client.post("/engage/", json={"$token": KEY, "$distinct_id": "ada", "$set": {"plan": "pro"}})
    assert only(client).event == "$identify"
    assert store.person(1, "ada").properties == {"plan": "pro"}


# §1.5 and §1.8: places and limits -----------------------------------------------------------------------------------


PLACES: list[tuple[dict[str, Any], str, Any]] = [
    ({"token": KEY}, "event", "x"),
    ({"$token": KEY}, "event", "x"),
    ({"api_key": KEY}, "event", "x"),
    ({"properties": {"token": KEY}}, "event", "x"),
    ({"api_key": f" {KEY} "}, "event", "x"),
    ({"api_key": KEY, "distinct_id": None, "$distinct_id": "bob"}, "distinct_id", "bob"),
    ({"api_key": KEY, "distinct_id": None, "properties": {"distinct_id": "bob"}}, "distinct_id", "bob"),
    ({"api_key": KEY, "properties": {"distinct_id": "bob"}}, "distinct_id", "ada"),
    ({"api_key": KEY, "distinct_id": 7}, "distinct_id", "7"),
    ({"api_key": KEY, "distinct_id": True}, "distinct_id", "true"),
    ({"api_key": KEY, "distinct_id": ["a", {"b": 1}]}, "distinct_id", '["a",{"b":1}]'),
    ({"api_key": KEY, "distinct_id": " ada "}, "distinct_id", " ada "),
    ({"api_key": KEY, "distinct_id": "a\0b"}, "distinct_id", "a\ufffdb"),
    ({"api_key": KEY, "distinct_id": "i" * 201}, "distinct_id", "i" * 200),
    ({"api_key": KEY, "event": "n" * 201}, "event", "n" * 200),
    ({"api_key": KEY, "uuid": "0195A0B2-0000-7000-8000-00000000000A"}, "uuid", "0195a0b2-0000-7000-8000-00000000000a"),
    ({"api_key": KEY, "uuid": ""}, "event", "x"),
    ({"api_key": KEY, "properties": {"$session_id": "s" * 300}}, "session_id", "s" * 100),
]


@pytest.mark.parametrize(("more", "field", "value"), PLACES)
def test_each_thing_is_found_in_its_places(client: FlaskClient, more: dict[str, Any], field: str, value: Any) -> None:
    assert client.post("/e/", json={**EVENT, **more}).status_code == 200
    assert getattr(only(client), field) == value


def test_the_address_of_the_sender_is_not_stored(client: FlaskClient) -> None:
    """Upstream adds $ip (§1.5); nothing personal is kept here that the site did not send."""
    client.post("/e/", json=keyed(), headers={"X-Forwarded-For": "192.0.2.7"})
    assert only(client).properties == {}


# §1.9: times --------------------------------------------------------------------------------------------------------


MINUTE = 60_000
TIMES: list[tuple[str, dict[str, Any], dict[str, Any], str, int]] = [
    ("as given without a clock", {"timestamp": "2026-11-23T21:00:00Z"}, {}, "", -60 * MINUTE),
    (
        "transit is no skew",
        {"timestamp": "2026-11-23T21:59:20Z"},
        {"sent_at": "2026-11-23T21:59:25Z"},
        "",
        -40_000,
    ),
    ("a slow clock", {"timestamp": "2026-11-23T20:59:00Z"}, {"sent_at": "2026-11-23T21:00:00Z"}, "", -MINUTE),
    ("a fast clock", {"timestamp": "2026-11-24T09:59:00Z"}, {"sent_at": "2026-11-24T10:00:00Z"}, "", -MINUTE),
    ("the clock in the address", {"timestamp": "2026-11-23T20:59:00Z"}, {}, "?_=1795467600000", -MINUTE),
    ("a clock in the address in seconds", {"timestamp": "2026-11-23T21:00:00Z"}, {}, "?_=1795467600", -60 * MINUTE),
    ("sent_at in the address", {"timestamp": "2026-11-23T20:59:00Z"}, {}, "?sent_at=2026-11-23T21:00:00Z", -MINUTE),
    (
        "an event that keeps its time",
        {"timestamp": "2026-11-23T20:59:00Z", "properties": {"$ignore_sent_at": True}},
        {"sent_at": "2026-11-23T21:00:00Z"},
        "",
        -61 * MINUTE,
    ),
    ("no time", {}, {}, "", 0),
    ("a time that is none", {"timestamp": "yesterday"}, {}, "", 0),
    ("an offset", {"offset": 5000}, {}, "", -5000),
    ("over 23 hours ahead", {"timestamp": "2026-11-24T21:00:01Z"}, {}, "", 0),
    ("23 hours ahead", {"timestamp": "2026-11-24T21:00:00Z"}, {}, "", 23 * 60 * MINUTE),
    ("before 1970", {"timestamp": "1969-01-01T00:00:00Z"}, {}, "", -NOW),
    ("a zone of hours only", {"timestamp": "2026-11-24T00:00:00+03"}, {}, "", -60 * MINUTE),
    ("no zone is UTC", {"timestamp": "2026-11-23T21:00:00"}, {}, "", -60 * MINUTE),
    ("only a date", {"timestamp": "2026-11-23"}, {}, "", -22 * 60 * MINUTE),
    ("slashes", {"timestamp": "2026/11/23 21:00:00"}, {}, "", -60 * MINUTE),
    ("RFC 2822", {"timestamp": "Mon, 23 Nov 2026 21:00:00 +0000"}, {}, "", -60 * MINUTE),
    ("seconds", {"timestamp": "1795467600"}, {}, "", -60 * MINUTE),
    ("milliseconds", {"timestamp": 1795467600000}, {}, "", -60 * MINUTE),
]


@pytest.mark.parametrize(
    ("event", "outer", "query", "from_now"), [row[1:] for row in TIMES], ids=[row[0] for row in TIMES]
)
def test_each_time_is_stored_by_its_rule(
    client: FlaskClient, event: dict[str, Any], outer: dict[str, Any], query: str, from_now: int
) -> None:
    client.post("/e/" + query, json={"api_key": KEY, "batch": [{**EVENT, **event}], **outer})
    assert only(client).timestamp == NOW + from_now


@given(
    st.lists(st.tuples(st.integers(0, 59_000), st.integers(1, 5000)), min_size=2, max_size=6),
    st.integers(-SKEW_MS, SKEW_MS),
)
def test_transit_never_reorders_a_device_s_events(requests: list[tuple[int, int]], clock: int) -> None:
    """Each event in a request of its own, which takes up to a minute; the device's clock is off by up to one too."""
    at, stored = NOW, []
    for transit, later in requests:
        at += later
        sent = at + clock  # what the device's clock says
        arrived = at + transit
        terms = Terms(arrived, sent, {}, lambda now: uuid_of(now))
        skew = sent - arrived
        if abs(skew) <= SKEW_MS:
            stored.append(taken({**EVENT, "timestamp": str(sent)}, terms).event.timestamp)
    assert stored == sorted(stored)


# §1.7: refusals -------------------------------------------------------------------------------------------------------


REFUSALS: list[tuple[str, dict[str, Any], int, str]] = [
    ("undecodable", {"data": b"\x1f\x8b\x08 no"}, 400, "bad_gzip"),
    ("unparsable", {"data": b"{event: x}"}, 400, "not_json"),
    ("a form without data", {"data": b"a=b", "content_type": FORM}, 400, "bad_form"),
    ("no payload", {"data": b""}, 400, "empty"),
    ("JSON without events", {"json": 7}, 400, "not_events"),
    ("an empty batch", {"json": {"api_key": KEY, "batch": []}}, 400, "empty_batch"),
    ("no event name", {"json": {"api_key": KEY, "distinct_id": "ada"}}, 400, "nothing_usable"),
    ("an empty event name", {"json": keyed(event="")}, 400, "nothing_usable"),
    ("no distinct_id", {"json": {"api_key": KEY, "event": "x"}}, 400, "nothing_usable"),
    ("a blank distinct_id", {"json": keyed(distinct_id=" \t")}, 400, "nothing_usable"),
    ("a bad uuid", {"json": keyed(uuid="7")}, 400, "nothing_usable"),
    ("no key", {"json": EVENT}, 401, "missing_key"),
    ("a malformed key", {"json": {**EVENT, "api_key": "k" * 65}}, 401, "malformed_key"),
    ("a key with NUL", {"json": {**EVENT, "api_key": "a\0b"}}, 401, "malformed_key"),
    ("a personal key", {"json": {**EVENT, "api_key": "phx_mine"}}, 401, "secret_key"),
    ("the secret key", {"json": {**EVENT, "api_key": SECRET}}, 401, "secret_key"),
    ("several keys", {"json": [{**EVENT, "token": KEY}, {**EVENT, "token": "bk_other"}]}, 401, "several_keys"),
    ("an unknown key", {"json": {**EVENT, "api_key": "bk_other"}}, 401, "unknown_key"),
    ("too large", {"data": b" " * (2 * MIB + 1)}, 413, "body_too_large"),
    ("inflates to too much", {"data": gzip.compress(b" " * (13 * MIB))}, 413, "inflated_too_large"),
    (
        "one event too large",
        {"json": keyed(properties={f"p{n}": "x" * 60_000 for n in range(18)})},
        400,
        "nothing_usable",
    ),
]


@pytest.mark.parametrize(("body", "status", "code"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS])
def test_each_refusal_speaks(
    client: FlaskClient, store: Store, project: Project, body: dict[str, Any], status: int, code: str
) -> None:
    answer = client.post("/e/", headers={**ORIGIN, "User-Agent": "posthog-node/5.70.0"}, **body)
    assert (answer.status_code, answer.headers["X-Beknown-Refused"], answer.json["code"]) == (status, code, code)
    assert "X-Beknown-Refused" in answer.headers["Access-Control-Expose-Headers"]
    warning = next(one for one in store.warnings(project.id) if one.code == code)
    assert (warning.count, bool(warning.fix)) == (1, True)
    assert warning.example.endswith(" (POST /e/ from https://shop.example by posthog-node/5.70.0)")  # whom to look for
    assert answer.json["detail"].endswith(warning.fix)  # what went wrong, and what to do
    assert SECRET not in answer.text + warning.example
    assert store.recent(project.id) == []


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/captures/", 404, "no_such_route"),
        ("PUT", "/e/", 405, "wrong_method"),
        ("GET", "/run", 405, "wrong_method"),
    ],
)
def test_a_wrong_address_speaks_too(client: FlaskClient, method: str, path: str, status: int, code: str) -> None:
    answer = client.open(path, method=method)
    assert (answer.status_code, answer.json["code"], answer.headers["X-Beknown-Refused"]) == (status, code, code)
    assert "POST" in answer.headers.get("Allow", "POST")
    assert client.open(path, method=method, headers={"Accept": "text/html,*/*;q=0.8"}).mimetype == "text/html"


@pytest.mark.parametrize("code", ["no distinct_id", "uuid is not a UUID", "event over 1 MiB"])
def test_good_events_beside_bad_ones_are_kept(client: FlaskClient, store: Store, project: Project, code: str) -> None:
    bad = {
        "no distinct_id": {"event": "x"},
        "uuid is not a UUID": {**EVENT, "uuid": "7"},
        "event over 1 MiB": {**EVENT, "properties": {f"p{n}": "x" * 60_000 for n in range(18)}},
    }[code]
    answer = client.post("/e/", json={"api_key": KEY, "batch": [EVENT, bad, EVENT]})
    assert (answer.status_code, answer.json["skipped"]) == (200, [{"index": 1, "reason": code}])
    assert len(store.recent(project.id)) == 2
    (warning,) = store.warnings(project.id)
    assert (warning.code, warning.count) == ("skipped: " + code, 1)
