"""The JSON API: what it answers, to whom, and what it says to nonsense."""

from __future__ import annotations

import pytest

from .conftest import NOW

KEY = {"Authorization": "Bearer bks_dashboardtests"}
CALLS = [
    "/api/events",
    "/api/persons",
    "/api/persons/ada",
    "/api/persons/ada/explain",
    "/api/project",
    "/api/warnings",
    "/api/live",
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "key", [None, "", "Bearer", "Bearer bk_dashboardtests", "Basic bks_dashboardtests", "Bearer x y"]
)
def test_a_call_is_closed_without_the_secret_key(ada, call, key):
    answer = ada.client().get(call, headers={"Authorization": key} if key is not None else {})
    assert answer.status_code == 401
    assert answer.json["type"] == "authentication_error"
    assert answer.headers["X-Beknown-Refused"] == answer.json["code"]


@pytest.mark.parametrize("call", CALLS[:-1])
def test_a_call_is_open_to_the_secret_key_and_to_the_dashboard(ada, call):
    assert ada.client().get(call, headers=KEY).status_code == 200
    assert ada.signed_in().get(call).status_code == 200


def test_a_wrong_bearer_key_is_not_mended_by_a_session(ada):
    assert ada.signed_in().get("/api/events", headers={"Authorization": "Bearer bks_wrong"}).status_code == 401


def test_events_come_newest_first_with_the_person_as_known_now(ada):
    results = ada.client().get("/api/events", headers=KEY).json["results"]
    assert [one["event"] for one in results] == ["invoice paid", "Signed up", "$identify", "$pageview", "$pageview"]
    assert len({one["person_id"] for one in results}) == 1
    assert results[0]["timestamp"] == "2026-11-23T22:59:59.000Z"
    assert set(results[0]) == {"uuid", "event", "timestamp", "distinct_id", "person_id", "properties"}


def test_pages_of_events_neither_repeat_nor_miss(ada):
    client, cursor, seen = ada.client(), "", []
    for _ in range(10):
        answer = client.get(f"/api/events?limit=2{cursor}", headers=KEY).json
        seen += [one["uuid"] for one in answer["results"]]
        if answer["next"] is None:
            break
        cursor = f"&before={answer['next']}"
    assert len(seen) == len(set(seen)) == 5


@pytest.mark.parametrize(
    ("query", "count"),
    [("event=$pageview", 2), ("distinct_id=ada", 3), ("person=anon-0001", 5), ("person=nobody", 0), ("event=no", 0)],
)
def test_events_are_found_by_name_id_and_person(ada, query, count):
    assert len(ada.client().get("/api/events?" + query, headers=KEY).json["results"]) == count


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=-1", "limit=x", "limit=1e3", "limit=٣", "before=" + "9" * 30]
)
def test_nonsense_is_answered_with_what_to_mend(ada, query):
    answer = ada.client().get("/api/events?" + query, headers=KEY)
    assert answer.status_code == 400
    assert query.split("=")[0] in answer.json["detail"]


def test_a_person_is_the_same_by_each_of_its_ids(ada):
    client = ada.client()
    person = client.get("/api/persons/ada", headers=KEY).json
    assert person["distinct_ids"] == ["ada", "anon-0001"]
    assert person["is_identified"] is True
    assert person["properties"] == {"name": "Ada Lovelace", "plan": "pro"}
    assert person["event_count"] == 5
    assert person["first_seen"] == "2026-11-23T22:58:30.000Z"
    for any_id in ("anon-0001", person["person_id"]):
        assert client.get(f"/api/persons/{any_id}", headers=KEY).json == person


def test_each_property_of_a_person_says_when_under_which_id_and_by_which_event_it_came(ada):
    ada.happens("$identify", "ada", at=NOW - 500, anon="anon-0001", set_={"plan": "free"})
    person = ada.client().get("/api/persons/anon-0001", headers=KEY).json
    origin = {"distinct_id": "ada", "event": "$identify", "is_first": False}
    assert person["origins"] == {
        "name": {"at": "2026-11-23T22:59:30.000Z", **origin},
        "plan": {"at": "2026-11-23T22:59:59.500Z", **origin},
    }


def test_an_unknown_person_is_404(ada):
    for call in ("/api/persons/nobody", "/api/persons/nobody/explain"):
        answer = ada.client().get(call, headers=KEY)
        assert answer.status_code == 404
        assert answer.json["code"] == "unknown_person"


def test_explain_names_the_event_the_rule_and_the_time(ada):
    ada.happens("$identify", "eve", anon="ada")
    client = ada.client()
    claim, identify = client.get("/api/events?event=$identify", headers=KEY).json["results"]
    answer = client.get("/api/persons/ada/explain", headers=KEY).json
    link = {"distinct_id": "anon-0001", "to": "ada", "linked_by": identify["uuid"], "rule": "claim", "undone": None}
    assert answer["links"] == [{**link, "id": 1, "at": "2026-11-23T22:59:30.000Z"}]
    refused = {"distinct_id": "ada", "to": "eve", "linked_by": claim["uuid"], "undone": None}
    at = "2026-11-23T23:00:00.000Z"
    assert answer["refused"] == [{**refused, "id": 2, "rule": "already_identified", "at": at}]
    assert answer["undone"] == []


def test_people_are_searched(ada):
    ada.happens("$pageview", "anon-0002")
    client = ada.client()
    assert len(client.get("/api/persons", headers=KEY).json["results"]) == 2
    assert [one["name"] for one in client.get("/api/persons?search=love", headers=KEY).json["results"]] == [
        "Ada Lovelace"
    ]


@pytest.mark.parametrize("search", ["", "&search=plan=pro"])
def test_pages_of_people_neither_repeat_nor_miss_though_all_were_seen_at_once(dashboard, search):
    for number in range(7):
        dashboard.happens("$pageview", f"visitor-{number}", set_={"plan": "pro"})
    client, cursor, seen = dashboard.client(), "", []
    for _ in range(10):
        answer = client.get(f"/api/persons?limit=3{search}{cursor}", headers=KEY).json
        seen += [one["distinct_ids"][0] for one in answer["results"]]
        if answer["next"] is None:
            break
        cursor = f"&before={answer['next']}"
    assert seen == [f"visitor-{number}" for number in reversed(range(7))]


@pytest.mark.parametrize("cursor", ["x", "1", "1.", ".1", "-1.1", "1.1.1", "٣.٣", "1.1%0A", "1." + "9" * 30])
def test_a_cursor_that_is_none_is_answered_with_what_to_mend(ada, cursor):
    answer = ada.client().get(f"/api/persons?before={cursor}", headers=KEY)
    assert (answer.status_code, answer.json["code"]) == (400, "bad_parameter")
    assert "before" in answer.json["detail"]
