"""Signed identities: what a project that demands them believes, keeps and refuses, and that no signature is stored."""

from __future__ import annotations

from typing import Any

import pytest
from beknown.backend import sign
from beknown.integrations.flask import Beknown
from beknown_server.store import Project, Store
from flask import Flask, render_template_string
from flask.testing import FlaskClient

from .conftest import BOTH_ENGINES, KEY, NOW, SECRET, uuid_of

pytestmark = BOTH_ENGINES


@pytest.fixture
def demanding(store: Store, project: Project) -> Project:
    store.set_options(project.id, {"signed_identities": True})
    return project


def said(client: FlaskClient, name: str, distinct_id: Any, **properties: Any) -> dict[str, Any]:
    event = {"uuid": uuid_of(), "event": name, "distinct_id": distinct_id, "properties": properties}
    answer = client.post("/e/", json={"api_key": KEY, "batch": [event]})
    assert answer.json == {"status": 1}
    return event


def identify(client: FlaskClient, anonymous: str, user: Any, signature: Any = None) -> None:
    more = {} if signature is None else {"$signature": signature}
    said(client, "$identify", user, **{"$anon_distinct_id": anonymous, "$set": {"plan": "pro"}, **more})


def ids(store: Store, project: Project, distinct_id: str) -> list[str]:
    found = store.person(project.id, distinct_id)
    assert found is not None
    return sorted(found.distinct_ids)


@pytest.mark.parametrize("wrong", [None, "", "x", 7, ["a"], sign("bob", SECRET), sign("ada", "bks_other"), "é" * 64])
def test_a_claim_without_the_right_signature_is_kept_marked_and_merges_nothing(
    client: FlaskClient, store: Store, demanding: Project, wrong: Any
) -> None:
    identify(client, "anon-1", "ada", wrong)
    assert ids(store, demanding, "ada") == ["ada"]
    assert not store.person(demanding.id, "ada").is_identified
    (row,) = store.recent(demanding.id)
    assert row.properties["$verified"] is False
    assert "$signature" not in row.properties
    assert [one.rule for one in store.explain(demanding.id, "ada").refused] == ["unsigned"]
    assert "claim refused: unsigned" in [one.code for one in store.warnings(demanding.id)]


def test_a_signed_claim_joins_and_the_signature_is_not_kept(
    client: FlaskClient, store: Store, demanding: Project
) -> None:
    identify(client, "anon-1", "ada", sign("ada", SECRET))
    identify(client, "anon-2", 4711, sign(4711, SECRET))
    assert ids(store, demanding, "ada") == ["ada", "anon-1"]
    assert ids(store, demanding, "4711") == ["4711", "anon-2"]
    assert store.person(demanding.id, "ada").is_identified
    assert [row.properties["$verified"] for row in store.recent(demanding.id)] == [True, True]
    assert not any("$signature" in row.properties for row in store.recent(demanding.id))


REFUSED = [  # by each rule that refuses for good, and by the one that comes last
    ("junk_id", "$identify", "ada", {"$anon_distinct_id": "null"}),
    ("junk_id", "$identify", "undefined", {"$anon_distinct_id": "anon-1"}),
    ("junk_id", "$create_alias", "ada", {"alias": "a" * 201}),
    ("same_id", "$identify", "ada", {"$anon_distinct_id": "ada"}),
    ("not_allowed", "$merge_dangerously", "ada", {"alias": "bob"}),
    ("unsigned", "$identify", "ada", {"$anon_distinct_id": "anon-1"}),
    ("unsigned", "$create_alias", "ada", {"alias": "anon-1"}),
    ("unsigned", "$identify", "ada", {"$previous_user": "switched"}),
]


@pytest.mark.parametrize("forged", [{}, {"$verified": True}])
@pytest.mark.parametrize(("rule", "name", "user", "about"), REFUSED)
def test_what_is_not_signed_is_never_marked_as_verified_whatever_refuses_it(
    client: FlaskClient, store: Store, demanding: Project, rule: str, name: str, user: str, about: Any, forged: Any
) -> None:
    said(client, name, user, **about, **forged)
    (row,) = store.recent(demanding.id)
    assert row.properties["$verified"] is False
    assert f"claim refused: {rule}" in [one.code for one in store.warnings(demanding.id)]


def test_what_is_signed_is_marked_so_whatever_else_refuses_it(
    client: FlaskClient, store: Store, demanding: Project
) -> None:
    said(client, "$identify", "ada", **{"$anon_distinct_id": "null", "$signature": sign("ada", SECRET)})
    (row,) = store.recent(demanding.id)
    assert row.properties["$verified"] is True


@pytest.mark.parametrize("demanded", [True, False])
def test_no_sender_marks_an_event_as_verified(
    client: FlaskClient, store: Store, project: Project, demanded: bool
) -> None:
    store.set_options(project.id, {"signed_identities": demanded})
    said(client, "clicked", "ada", **{"$verified": True})
    said(client, "$identify", "ada", **{"$verified": True, "$set": {"plan": "pro"}})
    personless = {"$verified": True, "$process_person_profile": False}
    said(client, "$identify", "ada", **{"$anon_distinct_id": "anon-1", **personless})
    said(client, "$create_alias", "ada", alias="anon-1", **personless)
    said(client, "$merge_dangerously", "ada", alias="anon-1", **personless)
    assert not any("$verified" in row.properties for row in store.recent(project.id))


def test_nobody_gets_round_it_by_alias_merge_or_switch(client: FlaskClient, store: Store, demanding: Project) -> None:
    store.set_options(demanding.id, {"signed_identities": True, "merge_dangerously": True})
    said(client, "$create_alias", "ada", alias="anon-1")
    said(client, "$create_alias", "anon-1", alias="ada")
    said(client, "$merge_dangerously", "ada", alias="anon-1")
    said(client, "$identify", "ada", **{"$previous_user": "switched"})
    assert ids(store, demanding, "ada") == ["ada"]
    assert not store.person(demanding.id, "ada").is_identified
    assert [one.rule for one in store.explain(demanding.id, "ada").refused] == ["unsigned"] * 4


def test_a_users_own_signature_takes_nobody_else_over(client: FlaskClient, store: Store, demanding: Project) -> None:
    store.set_options(demanding.id, {"signed_identities": True, "merge_dangerously": True})
    identify(client, "anon-1", "victim", sign("victim", SECRET))
    mine = {"$signature": sign("mallory", SECRET)}
    identify(client, "anon-2", "mallory", mine["$signature"])
    said(client, "$merge_dangerously", "mallory", alias="victim", **mine)
    said(client, "$create_alias", "mallory", alias="victim", **mine)
    said(client, "$identify", "mallory", **{"$anon_distinct_id": "victim", **mine})
    assert ids(store, demanding, "victim") == ["anon-1", "victim"]
    assert ids(store, demanding, "mallory") == ["anon-2", "mallory"]
    store.corrections.merge(demanding.id, "mallory", "victim", now=NOW)  # an operator may
    assert len(ids(store, demanding, "victim")) == 4


@pytest.mark.parametrize(("event_id", "alias"), [("ada", "anon-1"), ("anon-1", "ada")])
def test_an_alias_may_be_signed_for_either_side(
    client: FlaskClient, store: Store, demanding: Project, event_id: str, alias: str
) -> None:
    said(client, "$create_alias", event_id, alias=alias, **{"$signature": sign("ada", SECRET)})
    assert ids(store, demanding, "ada") == ["ada", "anon-1"]


def test_an_old_key_signs_for_as_long_as_it_opens(client: FlaskClient, store: Store, demanding: Project) -> None:
    store.rotate_key(demanding.id, "bks_next", NOW, keep_ms=0)
    identify(client, "anon-1", "ada", sign("ada", SECRET))
    assert ids(store, demanding, "ada") == ["ada"]
    identify(client, "anon-1", "ada", sign("ada", "bks_next"))
    assert ids(store, demanding, "ada") == ["ada", "anon-1"]


def test_where_none_is_demanded_none_is_needed_and_none_is_kept(
    client: FlaskClient, store: Store, project: Project
) -> None:
    identify(client, "anon-1", "ada", "whatever")
    assert ids(store, project, "ada") == ["ada", "anon-1"]
    (row,) = store.recent(project.id)
    assert not {"$signature", "$verified"} & set(row.properties)


@pytest.mark.parametrize("column", ["ada", "ada   "])  # CHAR(6) of a database comes with blanks
def test_what_flasks_filter_writes_into_a_page_is_what_the_server_believes(
    client: FlaskClient, store: Store, demanding: Project, column: str
) -> None:
    shop = Flask(__name__)
    Beknown(shop, secret_key=SECRET)
    with shop.app_context():
        written = render_template_string("{{ user | beknown_signature }}", user=column)
    identify(client, "anon-1", "ada", written)  # so our page claims it; another sender keeps the blanks
    identify(client, "anon-2", column, written)
    assert {"ada", "anon-1"} <= set(ids(store, demanding, "ada"))
    assert {column, "anon-2"} <= set(ids(store, demanding, column))
