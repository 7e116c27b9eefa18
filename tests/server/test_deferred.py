"""POST /run: the fourth host runs a page's calls, and repeats nothing however often it is asked."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from beknown.ids import is_uuid
from beknown.wire import unpack_cookie
from beknown_server import ingest
from beknown_server.intake import taken
from beknown_server.store import Project, Store
from flask.testing import FlaskClient

from .conftest import KEY, uuid_of

SEED = "01a20a91-ae05-7e94-aea9-36f6d0ff238a"
COOKIE = f"1.0.{SEED}.a..0.0.{SEED}"
JOURNEY: list[tuple[str, list[Any]]] = [("pageview", []), ("identify", ["ada"]), ("capture", ["bought"])]


def body(*calls: tuple[str, list[Any]], at: int | None = None, **changes: Any) -> dict[str, Any]:
    now = at or time.time_ns() // 1_000_000
    entries = []
    for name, arguments in calls:
        entry = {"call": name, "args": arguments, "at": now, "url": "https://a.example/x", "window": "w"}
        entries.append([uuid_of(now), json.dumps(entry)])
    facts = {"agent": "Firefox", "now": now}
    sent = {"api_key": KEY, "facts": facts, "options": {}, "stored": [COOKIE, COOKIE + "\n{}"], "calls": entries}
    return sent | changes


def effects(client: FlaskClient, sent: Any) -> list[Any]:
    answer = client.post("/run", data=json.dumps(sent), content_type="text/plain")
    assert answer.status_code == 200, answer.text
    found: list[Any] = answer.json["effects"]
    return found


def test_calls_become_events_of_one_person_and_the_state_comes_back(
    client: FlaskClient, project: Project, store: Store
) -> None:
    sent = body(*JOURNEY)
    answered = effects(client, sent)
    assert [effect[0] for effect in answered] == ["store", "done"]
    assert answered[1][1] == [call for call, _ in sent["calls"]]
    after = unpack_cookie(answered[0][1])
    assert (after["distinct_id"], after["device"], after["identified"]) == ("ada", SEED, True)
    stored = store.recent(project.id)
    assert sorted(event.event for event in stored) == ["$identify", "$pageview", "bought"]
    assert len({event.person.person_id for event in stored}) == 1


def test_the_same_calls_again_store_nothing_new_and_answer_the_same(
    client: FlaskClient, project: Project, store: Store
) -> None:
    sent = body(*JOURNEY)
    assert effects(client, sent) == effects(client, sent)
    assert len(store.recent(project.id)) == 3


def test_more_calls_than_one_request_of_the_core_holds_are_all_stored(
    client: FlaskClient, project: Project, store: Store
) -> None:
    # Aliases: the runaway guard would hold back most others.
    effects(client, body(*[("alias", [f"name-{number}"]) for number in range(250)]))
    assert len(store.recent(project.id, limit=1000)) == 250


def test_what_an_earlier_page_had_made_of_a_call_is_stored_as_it_was_made(
    client: FlaskClient, project: Project, store: Store
) -> None:
    made = {"uuid": uuid_of(), "event": "left", "distinct_id": "bob", "timestamp": "2026-11-23T10:00:00Z"}
    entry = {"events": [made | {"properties": {}}], "stored": f"1.5.{SEED}.i..0.0.bob"}
    answered = effects(client, body() | {"calls": [[made["uuid"], json.dumps(entry)]]})
    assert unpack_cookie(answered[0][1])["distinct_id"] == "bob"
    (event,) = store.recent(project.id)
    assert (event.uuid, event.distinct_id) == (made["uuid"], "bob")


def test_a_bot_is_known_by_the_brands_that_its_browser_sends(
    client: FlaskClient, project: Project, store: Store
) -> None:
    for brands, count in (('"HeadlessChrome";v="142"', 0), ('"Google Chrome";v="142"', 3)):
        sent = json.dumps(body(*JOURNEY))
        assert client.post("/run", data=sent, headers={"Sec-CH-UA": brands}).status_code == 200
        assert len(store.recent(project.id)) == count


def test_a_call_that_cannot_be_done_is_explained_and_costs_only_itself(
    client: FlaskClient, project: Project, store: Store
) -> None:
    answered = effects(client, body(("identify", ["null"]), ("nonsense", []), ("capture", ["fine"])))
    assert [effect[1] for effect in answered if effect[0] == "say"] == ["error", "error"]
    assert [event.event for event in store.recent(project.id)] == ["fine"]
    assert len(answered[-1][1]) == 3


HALF = "hello \ud83d"  # of an emoji: title.slice(0, 7)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("capture", ["cut", {"text": HALF, HALF: [HALF]}]),
        ("capture", [HALF]),
        ("identify", [HALF, {"name": HALF}]),
        ("register", [{"title": HALF}]),
        ("group", ["company", HALF]),
        (HALF, []),
    ],
)
def test_half_an_emoji_stands_in_nobodys_way(
    client: FlaskClient, project: Project, store: Store, name: str, arguments: list[Any]
) -> None:
    answered = effects(client, body((name, arguments), ("capture", ["after"])))
    assert len(answered[-1][1]) == 2
    found = {event.event: event for event in store.recent(project.id)}
    assert "after" in found
    if name == "register":
        assert found["after"].properties["title"] == "hello \ufffd"


def test_half_an_emoji_in_what_is_stored_or_around_the_calls_is_mended_too(
    client: FlaskClient, project: Project, store: Store
) -> None:
    local = COOKIE + "\n" + json.dumps({"registered": {"title": HALF}})
    effects(client, body(("capture", ["x"]), stored=["", local], options={"name": HALF}))
    assert store.recent(project.id)[0].properties["title"] == "hello \ufffd"


def test_an_event_that_we_stumble_over_costs_itself_alone_and_is_counted(
    client: FlaskClient, project: Project, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumbling(raw: Any, terms: Any) -> Any:
        if raw["event"] == "bad":
            raise ZeroDivisionError
        return taken(raw, terms)

    monkeypatch.setattr(ingest, "taken", stumbling)
    answered = effects(client, body(("capture", ["bad"]), ("capture", ["after"])))
    assert len(answered[-1][1]) == 2
    assert [event.event for event in store.recent(project.id)] == ["after"]
    assert [warning.code for warning in store.warnings(project.id)] == ["skipped: not understood"]


def test_a_call_of_more_parts_than_we_read_costs_itself_alone_and_is_counted(
    client: FlaskClient, project: Project, store: Store
) -> None:
    huge = {str(name): [[]] * 5000 for name in range(50)}
    answered = effects(client, body(("capture", ["huge", huge]), ("capture", ["after"])))
    assert len(answered[-1][1]) == 2
    assert [event.event for event in store.recent(project.id)] == ["after"]
    assert [warning.code for warning in store.warnings(project.id)] == ["skipped: not understood"]


def test_a_clock_that_is_hours_off_is_corrected_and_old_calls_keep_their_age(
    client: FlaskClient, project: Project, store: Store
) -> None:
    now = time.time_ns() // 1_000_000
    wrong = now - 5 * 3_600_000
    effects(client, body(("capture", ["old"]), at=wrong - 600_000, facts={"now": wrong}))
    (event,) = store.recent(project.id)
    assert abs(event.timestamp - (now - 600_000)) < 10_000


def test_without_a_clock_in_the_body_times_are_taken_as_they_are(
    client: FlaskClient, project: Project, store: Store
) -> None:
    effects(client, body(("capture", ["old"]), at=1_795_000_000_000, facts={}))
    assert store.recent(project.id)[0].timestamp == 1_795_000_000_000


@pytest.mark.parametrize(
    "stored", [["garbage", ""], ["", "garbage"], ["1.zz.a.b.c.d.e.f", "{}"], ["", "x\n" + "[" * 3000]]
)
def test_damaged_state_gives_a_fresh_visitor_and_never_a_fault(
    client: FlaskClient, project: Project, store: Store, stored: list[str]
) -> None:
    answered = effects(client, body(("capture", ["x"]), stored=stored))
    (told,) = [effect for effect in answered if effect[0] == "store"]
    assert is_uuid(unpack_cookie(told[1])["distinct_id"])
    assert len(store.recent(project.id)) == 1


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"{",
        b"[]",
        b'"run"',
        {"api_key": KEY},
        body(stored=["one"]),
        body(stored=[1, 2]),
        body(facts=[]),
        body(options=5),
        body(calls=[["id"]]),
        body(calls=[[1, 2]]),
        body(calls=None),
        body(api_key=None),
        body(calls=[["id", "{}"]] * 2001),
    ],
)
def test_a_body_that_is_none_of_ours_is_refused_with_advice(client: FlaskClient, project: Project, sent: Any) -> None:
    answer = client.post("/run", data=sent if isinstance(sent, bytes) else json.dumps(sent))
    assert answer.status_code == 400
    assert answer.headers["X-Beknown-Refused"] == "not_a_run"
    assert "/e/" in answer.json["detail"]


def test_an_unknown_key_is_401_and_a_body_over_the_limit_413(client: FlaskClient, project: Project) -> None:
    assert client.post("/run", data=json.dumps(body(api_key="bk_other"))).status_code == 401
    assert client.post("/run", data=b" " * (2 * 1024 * 1024 + 1)).status_code == 413


def test_any_page_may_read_the_answer(client: FlaskClient, project: Project) -> None:
    origin = {"Origin": "https://shop.example"}
    assert client.options("/run", headers=origin).status_code == 200
    answer = client.post("/run", data=json.dumps(body()), headers=origin)
    assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"


def test_a_page_whose_key_is_refused_is_told_so_by_effects_and_stops(client: FlaskClient, project: Project) -> None:
    answer = client.post("/run", data=json.dumps(body(*JOURNEY, api_key="bk_other")))
    (level, what, text), stopped = answer.json["effects"]
    assert (level, what, stopped) == ("say", "error", ["stopped"])
    assert "data-key" in text
    assert answer.json["detail"] in text
