"""Merge, undo, redo, split and delete, through the API and through the forms of the dashboard."""

from __future__ import annotations

import re

import pytest
from beknown_server import openapi
from jsonschema import Draft202012Validator

from ..conftest import BOTH_ENGINES
from .conftest import NOW

pytestmark = BOTH_ENGINES
KEY = {"Authorization": "Bearer bks_dashboardtests"}


@pytest.fixture
def two(dashboard):
    """Ada with a device of hers, and Bob with one of his."""
    dashboard.happens("$pageview", "anon-a", at=NOW)
    dashboard.happens("$identify", "ada", at=NOW + 1, anon="anon-a")
    dashboard.happens("$identify", "bob", at=NOW + 2, anon="anon-b")
    return dashboard


def ids(two, any_id):
    return sorted(two.client().get(f"/api/persons/{any_id}", headers=KEY).json.get("distinct_ids", []))


def described(answer, path, method="post"):
    schema = openapi.PATHS[path][method]["responses"][str(answer.status_code)]["content"]["application/json"]["schema"]
    Draft202012Validator({**schema, "components": openapi.document()["components"]}).validate(answer.json)
    return answer


def test_a_merge_is_undone_and_redone_and_stays_in_the_log(two):
    client = two.client()
    answer = client.post("/api/persons/merge", json={"from": "ada", "into": "bob"}, headers=KEY)
    link = described(answer, "/api/persons/merge").json["id"]
    assert ids(two, "ada") == ids(two, "bob") == ["ada", "anon-a", "anon-b", "bob"]
    described(client.post(f"/api/merges/{link}/undo", headers=KEY), "/api/merges/{link}/undo")
    assert (ids(two, "ada"), ids(two, "bob")) == (["ada", "anon-a"], ["anon-b", "bob"])
    undone = client.get("/api/persons/ada/explain", headers=KEY).json["undone"]
    assert [(one["id"], one["rule"]) for one in undone] == [(link, "forced_merge")]
    assert undone[0]["undone"].endswith("Z")
    again = described(client.post(f"/api/merges/{link}/undo", headers=KEY), "/api/merges/{link}/undo")
    assert (again.status_code, again.json["code"]) == (400, "undone_already")
    described(client.post(f"/api/merges/{link}/redo", headers=KEY), "/api/merges/{link}/redo")
    assert ids(two, "ada") == ["ada", "anon-a", "anon-b", "bob"]


def test_an_undo_tells_what_keeps_two_ids_one(two):
    two.happens("$identify", "ada", at=NOW + 3, anon="anon-a")
    client = two.client()
    first, again = client.get("/api/persons/ada/explain", headers=KEY).json["links"]
    answer = described(client.post(f"/api/merges/{first['id']}/undo", headers=KEY), "/api/merges/{link}/undo")
    assert answer.json == {"id": first["id"], "still_one_by": [again["id"]]}
    answer = described(client.post(f"/api/merges/{again['id']}/undo", headers=KEY), "/api/merges/{link}/undo")
    assert answer.json == {"id": again["id"], "still_one_by": []}


def test_a_split_parts_the_chosen_ids(two):
    answer = two.client().post("/api/persons/split", json={"distinct_ids": ["anon-a"]}, headers=KEY)
    assert len(described(answer, "/api/persons/split").json["undone"]) == 1
    assert (ids(two, "ada"), ids(two, "anon-a")) == (["ada"], ["anon-a"])


def test_a_deletion_takes_the_events_too_also_from_what_is_counted(two):
    client = two.client()
    days = {"date_from": "2026-11-01", "date_to": "2026-12-31"}
    assert client.post("/api/insights/unique", json=days, headers=KEY).json["persons"] == 2
    answer = client.delete("/api/persons/ada", headers=KEY)
    assert described(answer, "/api/persons/{any_id}", "delete").json == {"events": 2, "distinct_ids": 2}
    assert client.get("/api/persons/anon-a", headers=KEY).status_code == 404
    assert client.post("/api/insights/unique", json=days, headers=KEY).json["persons"] == 1
    events = client.get("/api/events", headers=KEY).json["results"]
    assert [one["distinct_id"] for one in events] == ["bob"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("post", "persons/merge", {"from": "ada", "into": "nobody"}, 404, "unknown_person"),
        ("post", "persons/merge", {"from": "ada", "into": "anon-a"}, 400, "same_person"),
        ("post", "persons/merge", {"from": "ada"}, 400, "missing_id"),
        ("post", "persons/merge", {"from": 1, "into": ["ada"]}, 400, "missing_id"),
        ("post", "persons/merge", [], 400, "not_an_object"),
        ("post", "persons/split", {"distinct_ids": ["ada", "anon-a"]}, 400, "whole_person"),
        ("post", "persons/split", {"distinct_ids": ["ada", "bob"]}, 400, "several_persons"),
        ("post", "persons/split", {"distinct_ids": ["nobody"]}, 404, "unknown_person"),
        ("post", "persons/split", {"distinct_ids": []}, 400, "bad_ids"),
        ("post", "persons/split", {"distinct_ids": "ada"}, 400, "bad_ids"),
        ("post", "merges/4711/undo", None, 404, "unknown_link"),
        ("post", "merges/99999999999999999999999/undo", None, 404, "unknown_link"),
        ("post", "merges/1/redo", None, 400, "not_undone"),
        ("delete", "persons/nobody", None, 404, "unknown_person"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_reason(two, method, path, body, status, code):
    answer = getattr(two.client(), method)(f"/api/{path}", json=body, headers=KEY)
    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert answer.json["detail"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("post", "persons/merge"),
        ("post", "persons/split"),
        ("post", "merges/1/undo"),
        ("post", "merges/1/redo"),
        ("delete", "persons/ada"),
    ],
)
def test_writing_takes_the_secret_key_itself(two, method, path):
    for client in (two.client(), two.signed_in()):
        answer = getattr(client, method)(f"/api/{path}", json={"from": "ada", "into": "bob"})
        assert answer.status_code == 401
    wrong = {"Authorization": "Bearer bk_dashboardtests"}
    assert getattr(two.client(), method)(f"/api/{path}", headers=wrong).status_code == 401
    assert ids(two, "ada") == ["ada", "anon-a"]


def posted(client, page, verb, **values):
    csrf = re.search(r'name="csrf" value="([^"]+)"', client.get(page).text)[1]
    return client.post(f"/people/{verb}", data={"csrf": csrf, **values})


def test_the_dashboards_forms_do_the_same(two):
    client = two.signed_in()
    assert posted(client, "/people/ada", "merge", **{"from": "ada", "into": "bob"}).status_code == 303
    assert ids(two, "ada") == ["ada", "anon-a", "anon-b", "bob"]
    page = client.get("/people/ada").text
    link = max(int(number) for number in re.findall(r'name="link" value="(\d+)"', page))
    assert posted(client, "/people/ada", "undo", link=link, person="ada").status_code == 303
    assert ids(two, "ada") == ["ada", "anon-a"]
    assert "Links that were undone" in client.get("/people/ada").text
    assert posted(client, "/people/ada", "redo", link=link, person="ada").status_code == 303
    assert posted(client, "/people/ada", "split", distinct_id="anon-a", person="ada").status_code == 303
    assert ids(two, "anon-a") == ["anon-a"]
    assert posted(client, "/people/ada", "delete", person="ada").status_code == 303
    assert client.get("/people/bob").status_code == 404


def test_a_form_says_when_another_link_keeps_the_ids_together(two):
    two.happens("$identify", "ada", at=NOW + 3, anon="anon-a")
    client = two.signed_in()
    told = []
    for link in client.get("/api/persons/ada/explain", headers=KEY).json["links"]:
        answer = posted(client, "/people/ada", "undo", link=link["id"], person="ada")
        told.append("another one keeps its ids together" in client.get(answer.location).text)
    assert told == [True, False]


def test_a_form_without_its_token_or_session_does_nothing(two):
    assert two.client().post("/people/delete", data={"person": "ada"}).status_code == 302
    assert two.signed_in().post("/people/delete", data={"person": "ada"}).status_code == 400
    assert ids(two, "ada") == ["ada", "anon-a"]


def test_what_a_form_cannot_do_is_said_on_a_page(two):
    answer = posted(two.signed_in(), "/people/ada", "merge", **{"from": "ada", "into": "nobody"})
    assert answer.status_code == 404
    assert "This cannot be done" in answer.text
