"""Groups, from what SDKs send to what ``GET /api/groups`` answers."""

from __future__ import annotations

from typing import Any

import pytest
from beknown.wire import iso

from ..conftest import BOTH_ENGINES, uuid_of
from .conftest import NOW, SECRET_KEY, WRITE_KEY, Dashboard

pytestmark = BOTH_ENGINES
KEY = {"Authorization": f"Bearer {SECRET_KEY}"}


@pytest.fixture
def site(dashboard: Dashboard) -> Dashboard:
    return dashboard


def grouped(kind: Any, key: Any, at: int, **bag: Any) -> dict[str, Any]:
    about = {"$group_type": kind, "$group_key": key, "$group_set": bag}
    return {"event": "$groupidentify", "distinct_id": "ada", "uuid": uuid_of(), "timestamp": at, "properties": about}


def send(site: Dashboard, *events: dict[str, Any]) -> None:
    answer = site.client().post("/batch/", json={"api_key": WRITE_KEY, "batch": list(events)})
    assert answer.json == {"status": 1}


def listed(site: Dashboard, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = site.client().get("/api/groups" + query, headers=KEY).json["results"]
    return found


def test_groups_are_listed_with_what_was_set_the_latest_seen_first(site: Dashboard) -> None:
    send(site, grouped("company", "acme", NOW, seats=5, city="Turin"), grouped("team", 7, NOW + 1))
    send(site, grouped("company", "acme", NOW + 9, seats=9), grouped("company", "beta", NOW + 5, plan=None))
    acme = {"type": "company", "key": "acme", "properties": {"city": "Turin", "seats": 9}}
    beta = {"type": "company", "key": "beta", "properties": {"plan": None}}
    team = {"type": "team", "key": "7", "properties": {}}
    expected = [
        {**acme, "first_seen": iso(NOW), "last_seen": iso(NOW + 9)},
        {**beta, "first_seen": iso(NOW + 5), "last_seen": iso(NOW + 5)},
        {**team, "first_seen": iso(NOW + 1), "last_seen": iso(NOW + 1)},
    ]
    assert listed(site) == expected
    assert listed(site, "?type=company") == expected[:2]
    assert listed(site, "?type=company&key=beta") == expected[1:2]
    assert listed(site, "?key=7") == expected[2:]
    assert listed(site, "?type=nothing") == []
    assert site.client().get("/api/persons", headers=KEY).json["results"] == [], "a group is nobody"


def test_what_was_set_late_does_not_undo_what_was_set_since(site: Dashboard) -> None:
    send(site, grouped("company", "acme", NOW + 9, seats=9))
    send(site, grouped("company", "acme", NOW, seats=5, city="Turin"), grouped("company", "acme", NOW + 3, city="Rome"))
    (acme,) = listed(site)
    assert acme["properties"] == {"city": "Rome", "seats": 9}
    assert (acme["first_seen"], acme["last_seen"]) == (iso(NOW), iso(NOW + 9))


def test_a_project_has_five_types_of_groups_and_a_sixth_is_said(site: Dashboard) -> None:
    send(site, *(grouped(f"type-{n}", "one", NOW + n) for n in range(5)))
    assert not site.store.warnings(site.project.id)
    send(
        site, grouped("type-5", "one", NOW + 6, seats=5), grouped("type-0", "two", NOW + 7), grouped("type-6", "x", NOW)
    )
    assert [(one["type"], one["key"]) for one in listed(site)] == [
        ("type-0", "two"),
        *((f"type-{n}", "one") for n in reversed(range(5))),
    ]
    (warning,) = site.store.warnings(site.project.id)
    assert (warning.code, warning.count, warning.example) == ("too_many_group_types", 2, "type-6: x")
    assert "five types" in warning.fix
    assert site.store.recent(site.project.id, event="$groupidentify", limit=9)[0].properties["$group_type"] == "type-6"


def test_the_list_is_closed_without_the_secret_key(site: Dashboard) -> None:
    assert site.client().get("/api/groups").status_code == 401
    assert site.signed_in().get("/api/groups").status_code == 200
