"""Cookieless counting: the same browser is one visitor a day, another day it is nobody we know."""

from __future__ import annotations

from typing import Any

import pytest
from beknown_server import cookieless, ingest
from beknown_server.site import now_ms
from beknown_server.store import Project, Store
from flask.testing import FlaskClient

from .conftest import BOTH_ENGINES, KEY

DAY = 24 * 3600 * 1000
NOW = now_ms()  # the salt of the day is made, or replaced, when the application starts
FIREFOX = {"User-Agent": "Firefox/140"}


def send(client: FlaskClient, agent: str = "Firefox/140", **properties: Any) -> None:
    nobodys = {"$cookieless_mode": True, "$device_id": None, "$host": "shop.example", **properties}
    event = {"event": "x", "distinct_id": "$posthog_cookieless", "properties": nobodys, "$set": {"email": "a@b.c"}}
    answer = client.post("/e/", json={"api_key": KEY, "batch": [event]}, headers={"User-Agent": agent})
    assert answer.status_code == 200, answer.text


def ids(store: Store, project: Project) -> list[str]:
    return [row.distinct_id for row in reversed(store.recent(project.id))]


def test_a_browser_is_one_visitor_a_day_and_another_browser_another(
    client: FlaskClient, project: Project, store: Store
) -> None:
    for agent in ("Firefox/140", "Firefox/140", "Chrome/150"):
        send(client, agent)
    send(client, **{"$host": "other.example"})
    first, again, chrome, elsewhere = ids(store, project)
    assert first == again
    assert len({first, chrome, elsewhere}) == 3
    assert first.startswith(cookieless.PREFIX)


@BOTH_ENGINES
def test_the_next_day_nobody_can_tell_and_the_salt_is_gone(
    client: FlaskClient, project: Project, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in (0, 1, 1):
        monkeypatch.setattr(ingest, "now_ms", lambda day=day: NOW + day * DAY)
        send(client)
    today, tomorrow, again = ids(store, project)
    assert tomorrow == again != today
    before = store.salt_of(cookieless.day_of(NOW + DAY))
    assert store.salt_of(cookieless.day_of(NOW)) == before  # an earlier day's is not made again
    assert store.salt_of(cookieless.day_of(NOW + 2 * DAY)) != before


def test_what_could_tell_is_taken_out_whoever_sent_it(client: FlaskClient, project: Project, store: Store) -> None:
    telling = dict.fromkeys(cookieless.TELLING, "telling")
    send(client, **telling, plan="pro")
    (row,) = store.recent(project.id)
    assert not set(cookieless.TELLING) & set(row.properties)
    assert row.properties["plan"] == "pro"
    assert "telling" not in str(row.properties)
    person = store.person(project.id, row.distinct_id)
    assert person is None or (not person.is_identified and "email" not in person.properties)


def test_a_claim_from_somebody_who_may_not_be_known_names_nobody(
    client: FlaskClient, project: Project, store: Store
) -> None:
    claim = {"$cookieless_mode": True, "$anon_distinct_id": "visitor-1"}
    event = {"event": "$identify", "distinct_id": "ada", "properties": claim}
    client.post("/e/", json={"api_key": KEY, "batch": [event]}, headers=FIREFOX)
    assert store.person(project.id, "ada") is None
    assert all(name.startswith(cookieless.PREFIX) for name in ids(store, project))


@pytest.mark.parametrize("header", ["Sec-GPC", "DNT"])
def test_a_page_without_javascript_heeds_the_signal(
    client: FlaskClient, project: Project, store: Store, header: str
) -> None:
    page = FIREFOX | {"Referer": "http://localhost/"}
    answer = client.get(f"/pixel.gif?key={KEY}", headers=page | {header: "1"})
    assert "Set-Cookie" not in answer.headers
    (row,) = store.recent(project.id)
    assert row.distinct_id.startswith(cookieless.PREFIX)
    assert row.properties["$gpc"] is True
    client.get(f"/pixel.gif?key={KEY}&consent=pending", headers=page)
    client.set_cookie(f"bk_{KEY}", "denied")
    client.get(f"/pixel.gif?key={KEY}", headers=page)
    assert len(store.recent(project.id)) == 1
    client.delete_cookie(f"bk_{KEY}")
    client.get(f"/pixel.gif?key={KEY}&respectGpc=false", headers=page | {header: "1"})
    assert len(store.recent(project.id)) == 2
