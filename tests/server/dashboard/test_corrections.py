"""Merge, undo, redo, split and delete, through the API and through the forms of the dashboard."""

from __future__ import annotations

import re
from html import unescape
from uuid import uuid4

import pytest
from beknown_server import openapi
from beknown_server.store import Claim, Event
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
        ("post", "persons/split", {"distinct_ids": []}, 400, "none_chosen"),
        ("post", "persons/split", {}, 400, "bad_ids"),
        ("post", "persons/split", {"distinct_ids": ["ada"] * 1001}, 400, "bad_ids"),
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
    assert posted(client, "/people/ada", "delete", person="ada", sure="on").status_code == 303
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


@pytest.mark.parametrize(
    ("verb", "fields", "status", "why"),
    [
        ("merge", {"from": "ada", "into": "nobody"}, 404, "nobody was seen under the id"),
        ("merge", {"from": "ada", "into": ""}, 404, "nobody was seen under the id"),
        ("merge", {"from": "ada", "into": "anon-a"}, 400, "are one person already"),
        ("undo", {"link": "4711"}, 404, "there is no link 4711"),
        ("undo", {"link": "9" * 30}, 404, "there is no link"),
        ("undo", {"link": "-1"}, 404, "there is no link"),
        ("undo", {}, 404, "there is no link"),
        ("undo", {"link": "undone"}, 400, "is undone already"),
        ("undo", {"link": "final"}, 400, "was refused for good"),
        ("redo", {"link": "4711"}, 404, "there is no link 4711"),
        ("redo", {"link": "standing"}, 400, "is not undone"),
        ("redo", {}, 404, "there is no link"),
        ("split", {}, 400, "no id was chosen"),
        ("split", {"distinct_id": "nobody"}, 404, "nobody was seen under the id"),
        ("split", {"distinct_id": ["ada", "bob"]}, 400, "these ids are not one person"),
        ("split", {"distinct_id": ["ada", "anon-a"]}, 400, "these are all ids of the person"),
        ("delete", {"person": "nobody", "sure": "on"}, 404, "nobody was seen under the id"),
        ("delete", {"sure": "on", "person": ""}, 404, "nobody was seen under the id"),
        ("delete", {}, 400, "nothing was deleted"),
        ("delete", {"sure": ""}, 400, "nothing was deleted"),
    ],
)
def test_what_a_form_cannot_do_is_said_on_a_page_and_changes_nothing(two, verb, fields, status, why):
    two.happens("$pageview", "anon-c", at=NOW + 3)
    corrections, project_id = two.store.corrections, two.project.id
    undone = corrections.merge(project_id, "anon-c", "bob", now=NOW + 4)
    corrections.undo(project_id, undone, now=NOW + 5)
    junk = Event(str(uuid4()), "$identify", "bob", NOW + 6, {}, claim=Claim("claim", "null", "bob", "junk_id"))
    two.store.append(project_id, [junk], NOW + 6)
    final, standing = (two.store.explain(project_id, "bob").refused[0].id, two.store.explain(project_id, "ada").links)
    named = {"undone": undone, "final": final, "standing": standing[0].id}
    fields = {key: named.get(value, value) if isinstance(value, str) else value for key, value in fields.items()}
    client = two.signed_in()
    before = [client.get(f"/api/persons/{one}/explain", headers=KEY).json for one in ("ada", "bob", "anon-c")]
    answer = posted(client, "/people/ada", verb, **{"person": "ada", **fields})
    assert answer.status_code == status
    assert "This cannot be done" in answer.text
    assert why in unescape(answer.text)
    assert before == [client.get(f"/api/persons/{one}/explain", headers=KEY).json for one in ("ada", "bob", "anon-c")]


def test_a_form_says_what_a_deletion_took(two):
    client = two.signed_in()
    answer = client.get(posted(client, "/people/ada", "delete", person="ada", sure="on").location)
    assert (answer.status_code, answer.request.path) == (200, "/people")
    assert "2 events and 2 ids are deleted" in answer.text
    two.happens("$pageview", "lone", at=NOW)
    answer = client.get(posted(client, "/people/lone", "delete", person="lone", sure="on").location)
    assert "1 event and 1 id are deleted" in answer.text
    for nonsense in ("?deleted=x&ids=1", "?deleted=1", "?deleted=-1&ids=2", "?ids=3", "?deleted=<b>&ids=2"):
        answer = client.get("/people" + nonsense)
        assert (answer.status_code, "deleted" in answer.text) == (200, False)


@pytest.mark.parametrize("other", [" lead", "tr ", " both "])
def test_the_form_finds_an_id_with_blanks_and_else_without_those_that_were_typed(two, other):
    two.happens("$pageview", other, at=NOW)
    client = two.signed_in()
    assert posted(client, "/people/ada", "merge", **{"from": "ada", "into": other}).status_code == 303
    assert ids(two, "ada") == sorted(["ada", "anon-a", other])
    assert posted(client, "/people/ada", "merge", **{"from": "ada", "into": "  bob "}).status_code == 303
    assert ids(two, "ada") == sorted(["ada", "anon-a", "anon-b", "bob", other])
