"""What no SDK would send: whatever comes, the answer is a refusal or 200, never an error of ours."""

from __future__ import annotations

import base64
import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from beknown_server import Settings, create_app
from beknown_server.store import Project, Store, open_store, sqlite, writer
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import BOTH_ENGINES, KEY, NOW, SECRET, event

TEXT = st.text(st.characters(codec=None), max_size=12) | st.sampled_from(
    ["\0", "a\0b", "\ud83e", "null", "", "é" * 300]
)
NUMBERS = st.integers() | st.floats() | st.sampled_from([2**63, -(2**63), 2**64, 10**400, 1e308])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
NAMES = ["event", "distinct_id", "$distinct_id", "uuid", "timestamp", "offset", "$set", "$set_once", "properties"]
INNER = ["distinct_id", "$anon_distinct_id", "alias", "$set", "$set_once", "$unset", "$session_id", "$is_server"]
PROPERTIES = st.dictionaries(st.sampled_from([*INNER, "$process_person_profile", "$lib"]) | TEXT, VALUES, max_size=6)
EVENTS = st.fixed_dictionaries(
    {
        "event": st.sampled_from(["x", "$identify", "$create_alias", "$merge_dangerously", "$set"]) | VALUES,
        "distinct_id": st.sampled_from(["ada", "bob"]) | VALUES,
    },
    optional={"properties": PROPERTIES | VALUES, **dict.fromkeys(NAMES[2:-1], VALUES)},
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    if request.param == "sqlite":
        database = f"sqlite:///{tmp_path_factory.mktemp('hostile')}/beknown.db"
    else:
        database = request.getfixturevalue("postgres").new_database()
    store = open_store(database)
    store.migrate()
    store.create_project("Tests", KEY, "bks_x", NOW)
    app = create_app(Settings(database=database), store=store)
    app.testing = True  # an error of ours fails the test instead of becoming a 500
    yield app.test_client()
    store.close()


@settings(max_examples=150, deadline=None)
@given(st.lists(EVENTS | VALUES, min_size=1, max_size=4))
def test_any_events_are_stored_or_refused(target: FlaskClient, events: list[Any]) -> None:
    answer = target.post("/e/", data=json.dumps({"api_key": KEY, "batch": events}))
    assert answer.status_code in (200, 400), answer.text
    for row in target.application.extensions["beknown"].store.recent(1, limit=5):
        assert row.person.person_id


@settings(max_examples=100, deadline=None)
@given(VALUES, st.dictionaries(st.sampled_from(["api_key", "token", "sent_at", "batch"]), VALUES))
def test_any_json_is_stored_or_refused(target: FlaskClient, value: Any, outer: dict[str, Any]) -> None:
    for document in (value, outer):
        answer = target.post("/batch/", data=json.dumps(document))
        assert answer.status_code in (400, 401), answer.text


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.sampled_from(["", "application/json", "application/x-www-form-urlencoded"]))
def test_any_bytes_are_refused(target: FlaskClient, body: bytes, kind: str) -> None:
    for prefix in (b"", b"\x1f\x8b\x08", b"data="):
        answer = target.post("/e/", data=prefix + body, headers={"Content-Type": kind})
        assert answer.status_code in (400, 401), answer.text
        assert answer.headers["X-Beknown-Refused"]


EVENT = {"event": "$identify", "distinct_id": "ada", "properties": {"$anon_distinct_id": "a1", "$set": {"é": [1.5]}}}
WHOLE = {"api_key": KEY, "sent_at": "2026-11-23T22:00:00Z", "created_at": "2026-11-23T22:00:00Z", "batch": [EVENT]}
SENT = json.dumps(WHOLE).encode()
BODIES = {
    "json": SENT,
    "gzip": gzip.compress(SENT, mtime=0),
    "base64": base64.b64encode(SENT),
    "form": b"data=" + base64.b64encode(SENT) + b"&compression=base64",
    "zstd": bytes.fromhex("28b52ffd"),
}
NEWER = {
    "Authorization": f"Bearer {KEY}", "PostHog-Sdk-Info": "x/1", "PostHog-Attempt": "1", "User-Agent": "x",
    "PostHog-Request-Id": "0195a0b2-0000-7000-8000-00000000000a", "PostHog-Request-Timestamp": "2026-11-23T22:00:00Z",
}  # fmt: skip
ADDRESSES = ["/e/", "/batch/", "/engage?compression=lz64", "/i/v1/analytics/events", "/i/v0/ai", "/run", "/pixel.gif"]
CUTS = st.tuples(st.integers(0, 400), st.integers(0, 20), st.binary(max_size=12))


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(list(BODIES)),
    st.lists(CUTS, max_size=4),
    st.sampled_from(ADDRESSES),
    st.sampled_from(["", "text/plain", "application/json", "application/x-www-form-urlencoded", "multipart/form-data"]),
    st.sampled_from(["", "gzip", "deflate", "br", "zstd", "lz64", "compress"]),
)
def test_any_bytes_like_those_of_an_sdk_are_taken_or_refused(
    target: FlaskClient, name: str, cuts: list[tuple[int, int, bytes]], address: str, kind: str, encoding: str
) -> None:
    body = BODIES[name]
    for at, length, put in cuts:
        body = body[:at] + put + body[at + length :]
    headers = {**NEWER, "Content-Type": kind, "Content-Encoding": encoding}
    answer = target.post(address, data=body, headers=headers)
    assert answer.status_code in (200, 400, 401, 405, 413, 415), answer.text
    assert answer.status_code in (200, 405) or answer.headers["X-Beknown-Refused"]


def test_a_sample_of_the_decoder_s_soak_finds_only_refusals(tmp_path: Path) -> None:
    program, results = Path(__file__).parents[2] / "bench/soak_decoder.py", tmp_path / "soak.json"
    command = [sys.executable, program, "--blind", "--seconds", "5", "--results", results]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr  # names the seed and the input
    assert json.loads(results.read_text())["inputs"] > 100


def test_a_database_that_another_process_holds_is_503(
    database: str, store: Store, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_MS", 50)
    monkeypatch.setattr(writer, "PATIENCE_S", 0.5)
    other = open_store(database)
    client = create_app(Settings(database=database, migrate="no"), store=other).test_client()
    holder = sqlite.Sqlite(database).connect()
    holder.begin()
    body = {"api_key": KEY, "event": "x", "distinct_id": "ada"}
    answer = client.post("/e/", json=body)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    holder.rollback()
    assert client.post("/e/", json=body).status_code == 200
    holder.close()
    other.close()


def test_a_full_disk_is_503_and_nothing_that_was_stored_is_lost(database: str, store: Store, project: Project) -> None:
    store.append(project.id, [event("kept", "ada")], NOW)
    store._writer.run(lambda db: db._raw.execute("pragma max_page_count = 1"))  # type: ignore[attr-defined]
    client = create_app(Settings(database=database), store=store).test_client()
    big = {"event": "x", "distinct_id": "ada", "properties": {"p": "x" * 60_000}}
    answers = [client.post("/e/", json={"api_key": KEY, "batch": [big] * 5}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503] * 3
    assert answers[0].headers["X-Beknown-Refused"] == "store_full"
    assert [row.event for row in store.recent(project.id)] == ["kept"]


ODD_TEXTS = ["\0", "a\0b", "\ud800", "\u202e", "'; drop table event; --", "%", "x" * 5000]
READ = ("persons?search={}", "persons/{}", "persons/{}/explain", "groups?type={}", "groups?key={}", "events?event={}")
READ += ("events?distinct_id={}", "events?person={}")


@BOTH_ENGINES
@pytest.mark.parametrize("text", ODD_TEXTS, ids=ascii)
def test_odd_texts_are_looked_for_like_any_other(client: FlaskClient, text: str) -> None:
    event = {"event": "x", "distinct_id": "a\0b"}
    assert client.post("/batch/", json={"api_key": KEY, "batch": [event]}).status_code == 200
    quoted, operator = quote(text, errors="surrogatepass"), {"Authorization": "Bearer " + SECRET}
    for call in READ:
        answer = client.get("/api/" + call.format(quoted), headers=operator)
        assert answer.status_code in (200, 400, 404), (call, answer.text)
        assert answer.status_code == 200 or text != "a\0b" or "persons/" not in call
    for call, body in (
        ("persons/merge", {"from": text, "into": "a\0b"}),
        ("persons/split", {"distinct_ids": [text]}),
        ("insights/trends", {"event": text, "breakdown": text, "date_from": "2026-11-01", "date_to": "2026-11-02"}),
    ):
        answer = client.post("/api/" + call, json=body, headers=operator)
        assert answer.status_code in (200, 400, 404, 409), (call, answer.text)
    if text not in ("a\0b", "%"):
        assert client.delete(f"/api/persons/{quoted}", headers=operator).status_code in (400, 404)
