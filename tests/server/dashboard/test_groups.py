"""Groups, from what SDKs send to what ``GET /api/groups`` answers."""

from __future__ import annotations

from typing import Any

import pytest
from beknown.wire import iso
from beknown_server.store.postgres import PostgresConnection
from beknown_server.store.sqlite import SqliteConnection

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


def belonging(groups: Any, at: int, **more: Any) -> dict[str, Any]:
    """Give an event of somebody who belongs to these."""
    properties = {"$groups": groups, **more}
    return {"event": "x", "distinct_id": "ada", "uuid": uuid_of(), "timestamp": at, "properties": properties}


def seen(site: Dashboard) -> dict[tuple[str, str], tuple[str, str]]:
    return {(one["type"], one["key"]): (one["first_seen"], one["last_seen"]) for one in listed(site)}


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


def test_an_event_that_belongs_to_groups_makes_them_known(site: Dashboard) -> None:
    send(site, belonging({"company": "acme", "team": 7}, NOW + 3))
    assert listed(site, "?type=company") == [
        {"type": "company", "key": "acme", "properties": {}, "first_seen": iso(NOW + 3), "last_seen": iso(NOW + 3)}
    ]
    send(site, grouped("company", "acme", NOW + 5, seats=5), belonging({"company": "acme"}, NOW + 9))
    assert listed(site, "?type=company") == [
        {
            "type": "company",
            "key": "acme",
            "properties": {"seats": 5},
            "first_seen": iso(NOW + 3),
            "last_seen": iso(NOW + 9),
        }
    ]
    assert seen(site)["team", "7"] == (iso(NOW + 3), iso(NOW + 3))


def test_when_groups_were_seen_depends_on_no_order_and_repeats_change_nothing(site: Dashboard) -> None:
    told = [
        belonging({"company": "acme", "team": "red"}, NOW + 7),
        belonging({"team": "red"}, NOW + 2),
        grouped("company", "acme", NOW + 4, seats=4),
        grouped("company", "acme", NOW + 6, seats=6),
        belonging({"company": "acme"}, NOW + 5),
    ]
    wanted = {("company", "acme"): (iso(NOW + 4), iso(NOW + 7)), ("team", "red"): (iso(NOW + 2), iso(NOW + 7))}
    send(site, *told)
    assert seen(site) == wanted
    for one in reversed(told):
        send(site, one, {**one, "timestamp": NOW + 50})
    assert seen(site) == wanted
    other = site.store.create_project("Other", "bk_other", "bks_other", NOW)
    for one in reversed(told):
        site.client().post("/batch/", json={"api_key": "bk_other", "batch": [one]})
    assert site.store.groups.known(other.id) == site.store.groups.known(site.project.id)
    assert site.store.groups.known(other.id, type="company")[0].properties == {"seats": 6}


def test_a_batch_writes_each_group_once(site: Dashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def counted(kind: Any, name: str) -> None:
        original = getattr(kind, name)

        def counting(self: Any, question: str, *rows: Any, **values: Any) -> Any:
            if question.startswith("group") and rows != ([],):
                asked.append((question, len(rows[0]) if rows else 0))
            return original(self, question, *rows, **values)

        monkeypatch.setattr(kind, name, counting)

    for kind in (SqliteConnection, PostgresConnection):
        counted(kind, "many")
        counted(kind, "all")
    send(site, *(belonging({}, NOW + n) for n in range(3)), *(belonging(None, NOW + n) for n in range(3)))
    assert asked == [], "who says nothing of groups pays nothing for them"
    send(site, *(belonging({"company": f"c{n % 2}"}, NOW + n) for n in range(50)))
    assert asked == [("grouping.types", 0), ("grouping.seen", 2)]


def test_types_beyond_the_fifth_are_said_and_make_no_group_however_they_come(site: Dashboard) -> None:
    send(site, belonging({f"type-{n}": "one" for n in range(4)}, NOW), grouped("type-4", "one", NOW))
    assert not site.store.warnings(site.project.id)
    send(site, belonging({"type-5": "one", "type-0": "two", "type-6": "x"}, NOW + 1), grouped("type-6", "x", NOW))
    assert set(seen(site)) == {("type-0", "two"), *((f"type-{n}", "one") for n in range(5))}
    (warning,) = site.store.warnings(site.project.id)
    assert (warning.code, warning.count, warning.example) == ("too_many_group_types", 3, "type-6: x")
    newest = site.store.recent(site.project.id, event="x", limit=1)[0]
    assert newest.properties["$groups"] == {"type-5": "one", "type-0": "two", "type-6": "x"}


def test_an_odd_group_costs_itself_only_and_is_said_with_the_page_it_came_from(site: Dashboard) -> None:
    odd = {"company": None, "team": "c" * 401, "no\0de": "a\0b", "list": [1, {"a": None}]}
    send(site, belonging(odd, NOW, **{"$lib": "web", "$current_url": "https://shop/a"}))
    assert set(seen(site)) == {("no\ufffdde", "a\ufffdb"), ("list", '[1,{"a":null}]')}
    said = {one.code: (one.count, one.example) for one in site.store.warnings(site.project.id)}
    assert said == {
        "group_without_name": (1, "company: null (web on https://shop/a)"),
        "group_key_too_long": (1, f"team: {'c' * 80} (web on https://shop/a)"),
    }


def test_whose_event_asks_for_no_profile_belongs_to_no_group(site: Dashboard) -> None:
    send(site, belonging({"company": "acme"}, NOW, **{"$process_person_profile": False}))
    assert listed(site) == []


def test_many_groups_do_not_make_the_next_one_dear(site: Dashboard) -> None:
    for n in range(6):
        send(site, belonging({f"type-{n}": "one"}, NOW))
    with site.store._reader() as db:
        found = [row["type"] for row in db.all("grouping.types", project_id=site.project.id)]
        assert found == [f"type-{n}" for n in range(5)]
        assert db.all("grouping.types", project_id=site.project.id + 1) == []


def test_the_list_is_closed_without_the_secret_key(site: Dashboard) -> None:
    assert site.client().get("/api/groups").status_code == 401
    assert site.signed_in().get("/api/groups").status_code == 200
