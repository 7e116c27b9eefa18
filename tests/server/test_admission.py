"""Who may send: pages of the sites that a project names, not too fast; a key that was replaced, for a while."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from beknown_server import Settings, create_app
from beknown_server.admission import is_allowed
from beknown_server.rate import MINUTE_MS, Rate
from beknown_server.store import Project, Store
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from .conftest import BOTH_ENGINES, KEY, NOW

HOUR_MS = 3_600_000


def send(client: FlaskClient, *, key: str = KEY, **headers: str) -> TestResponse:
    body = {"api_key": key, "event": "x", "distinct_id": "ada"}
    return client.post("/e/", json=body, headers=headers)


@pytest.fixture
def limited(store: Store, project: Project, database: str) -> Iterator[FlaskClient]:
    settings = Settings(database=database, rate_per_key=30, rate_per_address=20, proxies=1)
    return create_app(settings, store=store).test_client()


@pytest.mark.parametrize(
    ("page", "allowed"),
    [
        ("https://shop.example", True),
        ("https://shop.example/basket?x=1", True),
        ("https://SHOP.example", True),
        ("https://www.shop.example", False),
        ("https://a.b.blog.example", True),
        ("https://blog.example", False),
        ("https://notblog.example", False),
        ("http://dev.example:8080", True),
        ("http://dev.example", False),
        ("https://dev.example:8080", False),
        ("null", False),
        ("https://[", False),
    ],
)
def test_an_origin_is_allowed_by_its_host_its_subdomains_or_whole(page: str, allowed: bool) -> None:
    assert is_allowed(page, ["shop.example", "*.blog.example", "http://dev.example:8080/"]) is allowed


def test_pages_of_other_sites_are_refused_and_told_why(client: FlaskClient, store: Store, project: Project) -> None:
    assert send(client, Origin="https://thief.example").status_code == 200  # nothing was chosen yet
    store.set_options(project.id, {"origins": ["shop.example"]})
    refused = send(client, Origin="https://thief.example")
    assert refused.status_code == 403
    assert refused.headers["X-Beknown-Refused"] == "origin_not_allowed"
    assert refused.headers["Access-Control-Allow-Origin"] == "https://thief.example"  # so that its author can read it
    assert refused.json is not None
    assert "https://thief.example" in refused.json["detail"]
    assert send(client, Origin="https://shop.example").status_code == 200
    assert send(client).status_code == 200  # a backend
    counted = {warning.code: warning for warning in store.warnings(project.id)}
    assert counted["origin_not_allowed"].count == 1
    assert "thief.example" in counted["origin_not_allowed"].example


def test_the_other_ways_in_ask_for_the_origin_too(client: FlaskClient, store: Store, project: Project) -> None:
    store.set_options(project.id, {"origins": ["shop.example"]})
    thief = {"Origin": "https://thief.example"}
    run = {"api_key": KEY, "facts": {}, "stored": ["", ""], "calls": []}
    refused = client.post("/run", json=run, headers=thief)
    assert refused.status_code == 403
    assert refused.json is not None
    assert ["stopped"] in refused.json["effects"]
    assert client.get(f"/pixel.gif?key={KEY}", headers={"Referer": "https://thief.example/"}).status_code == 403
    assert client.get(f"/pixel.gif?key={KEY}", headers={"Referer": "https://shop.example/"}).status_code == 200


def test_an_address_that_sends_too_fast_waits(limited: FlaskClient, store: Store) -> None:
    def from_address(address: str) -> TestResponse:
        return send(limited, key="bk_wrong", **{"X-Forwarded-For": address})

    assert [from_address("192.0.2.1").status_code for _ in range(20)] == [401] * 20
    refused = from_address("192.0.2.1")
    assert refused.status_code == 429
    assert refused.headers["X-Beknown-Refused"] == "too_many_requests"
    assert 1 <= int(refused.headers["Retry-After"]) <= 3
    assert from_address("192.0.2.2").status_code == 401
    # One who has a whole IPv6 network has one rate.
    assert [from_address(f"2001:db8::{number:x}").status_code for number in range(21)] == [401] * 20 + [429]
    assert from_address("2001:db8:0:1::1").status_code == 401


def test_a_key_that_sends_too_fast_waits_and_no_other(limited: FlaskClient, store: Store) -> None:
    store.create_project("Other", "bk_other", "bks_other", NOW)
    answers = [send(limited, **{"X-Forwarded-For": f"192.0.2.{number}"}).status_code for number in range(31)]
    assert answers == [200] * 30 + [429]
    assert send(limited, key="bk_other", **{"X-Forwarded-For": "192.0.2.77"}).status_code == 200
    preflight = limited.options("/e/", headers={"Origin": "https://shop.example"})
    assert preflight.status_code == 200


@given(most=st.integers(1, 500), pauses=st.lists(st.integers(0, 90_000), max_size=60))
def test_nobody_gets_more_than_the_rate_and_whoever_waits_as_told_is_let_through(most: int, pauses: list[int]) -> None:
    rate, now, passed = Rate(most), NOW, []
    for pause in pauses:
        now += pause
        wait = rate.wait_ms("ada", now=now)
        if wait:
            now += wait
            assert rate.wait_ms("ada", now=now) == 0
        passed.append(now)
    for at in passed:  # in any minute: what had been saved up, and what grew meanwhile
        assert sum(at <= other < at + MINUTE_MS for other in passed) <= 2 * most


@BOTH_ENGINES
def test_a_replaced_write_key_sends_until_its_time_is_over(store: Store, project: Project) -> None:
    store.write_keys.rotate(project.id, "bk_second", NOW, keep_ms=HOUR_MS)
    store.write_keys.rotate(project.id, "bk_third", NOW + HOUR_MS // 2, keep_ms=HOUR_MS)

    def opened(key: str, now: int) -> int | None:
        store._remembered.forget()
        found = store.project_by_write_key(key, now=now)
        return found.id if found else None

    keys = (KEY, "bk_second", "bk_third")
    assert [opened(key, NOW + HOUR_MS - 1) for key in keys] == [project.id] * 3
    assert [opened(key, NOW + HOUR_MS) for key in keys] == [None, project.id, project.id]
    assert [opened(key, NOW + 2 * HOUR_MS) for key in keys] == [None, None, project.id]
    assert store.projects()[0].write_key == "bk_third"
