"""How long events are kept: what is older goes in small steps, from the store and from what counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from beknown_server import expiry
from beknown_server.columns import Columns
from beknown_server.expiry import DAY_MS, Expiry
from beknown_server.site import EXTENSION, Site, now_ms
from beknown_server.store import Claim, Project, Store
from flask import Flask
from flask.testing import FlaskClient

from .conftest import BOTH_ENGINES, NOW, SECRET, event


@BOTH_ENGINES
def test_what_is_older_goes_step_by_step_and_the_person_stays(app: Flask, store: Store, project: Project) -> None:
    now = now_ms()
    old = [event("old", "ada", now - 31 * DAY_MS + n) for n in range(2500)]
    new = [event("new", "ada", now - 29 * DAY_MS), event("new", "bob", now)]
    store.append(project.id, [*old, *new], now)
    site: Site = app.extensions[EXTENSION]
    sweeper = Expiry(site, holder="one")
    assert sweeper.look_at(project) == 0  # for ever, unless it was chosen
    assert sweeper.look_at(replace(project, options={"retention_days": 30})) == 2500
    assert {row.event for row in store.recent(project.id, limit=5000)} == {"new"}
    ada = store.person(project.id, "ada")
    assert ada is not None
    assert ada.event_count == 1
    site.columns.close()


@BOTH_ENGINES
def test_a_claim_that_has_gone_and_comes_again_stops_nobody(store: Store, project: Project) -> None:
    claims = [event("$identify", "ada", NOW + n, claim=Claim("claim", f"anon-{n}", "ada")) for n in range(3)]
    store.append(project.id, claims, NOW)
    store.corrections.undo(project.id, store.explain(project.id, "anon-1").links[1].id, now=NOW + 9)
    before = store.explain(project.id, "anon-1"), store.explain(project.id, "ada")
    assert store.upkeep.erase_before(project.id, NOW + 9, limit=10) == 3
    again = store.append(project.id, [event("x", "bob", NOW), *claims, event("x", "cy", NOW)], NOW + 10)
    assert (again.stored, again.repeated) == (5, 0)
    assert (store.explain(project.id, "anon-1"), store.explain(project.id, "ada")) == before
    assert store.person(project.id, "anon-1").distinct_ids == ["anon-1"]


def test_what_has_gone_is_counted_no_more(client: FlaskClient, app: Flask, store: Store, project: Project) -> None:
    now = now_ms()
    store.append(project.id, [event("x", f"old-{n}", now - 9 * DAY_MS) for n in range(5)], now)
    store.append(project.id, [event("x", f"new-{n}", now - 2 * DAY_MS) for n in range(3)], now)

    def persons() -> int:
        headers = {"Authorization": f"Bearer {SECRET}"}
        answer = client.post("/api/insights/unique", json={"date_from": "2020-01-01"}, headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.json is not None
        return int(answer.json["persons"])

    assert persons() == 8
    site: Site = app.extensions[EXTENSION]
    assert Expiry(site, holder="one").look_at(replace(project, options={"retention_days": 7})) == 5
    assert persons() == 3
    site.columns.close()


@BOTH_ENGINES
def test_it_is_counted_no_more_on_another_host_and_again_when_the_period_is_lifted(
    app: Flask, store: Store, project: Project, tmp_path: Path
) -> None:
    now = now_ms()
    store.append(project.id, [event("x", f"old-{n}", now - 9 * DAY_MS) for n in range(5)], now)
    store.append(project.id, [event("x", f"new-{n}", now) for n in range(3)], now)
    site: Site = app.extensions[EXTENSION]
    other = replace(site, columns=Columns(store, tmp_path / "of-another-host"))

    def persons() -> list[int]:
        found = []
        for columns in (site.columns, other.columns):
            with columns.reading(project.id) as reading:
                found.append(reading.ask("unique", {"match": "true"}, start=0, stop=2**60)[0][0])
        return found

    assert persons() == [8, 8]
    week = replace(project, options={"retention_days": 7})
    assert Expiry(site, holder="one").look_at(week) == 5
    assert Expiry(other, holder="two").look_at(week) == 0
    assert persons() == [3, 3]
    for each in (site, other):
        Expiry(each, holder="one").look_at(project)
    store.append(project.id, [event("x", "imported", now - 700 * DAY_MS)], now)
    assert persons() == [4, 4]
    site.columns.close()
    other.columns.close()


@BOTH_ENGINES
def test_one_process_at_a_time_does_it(app: Flask, store: Store, project: Project) -> None:
    assert store.upkeep.take_task("expiry", holder="one", now=NOW, until=NOW + 10)
    assert not store.upkeep.take_task("expiry", holder="two", now=NOW + 5, until=NOW + 15)
    assert store.upkeep.take_task("expiry", holder="one", now=NOW + 5, until=NOW + 20)
    assert store.upkeep.take_task("expiry", holder="two", now=NOW + 21, until=NOW + 30)  # the first one died
    assert not store.upkeep.take_task("expiry", holder="one", now=NOW + 22, until=NOW + 40)


def test_the_thread_looks_by_itself_and_ends_when_told(app: Flask, store: Store, project: Project) -> None:
    now = now_ms()
    store.set_options(project.id, {"retention_days": 1})
    store.append(project.id, [event("x", "ada", now - 2 * DAY_MS), event("x", "ada", now)], now)
    site: Site = app.extensions[EXTENSION]
    sweeper = Expiry(site, holder="one", every_s=0.01)
    sweeper.start()
    while len(store.recent(project.id)) > 1:
        pass
    sweeper.stop()
    assert expiry.STEP <= 5000  # short beside what senders wait for
    site.columns.close()


@BOTH_ENGINES
def test_what_has_not_been_forwarded_stays_until_it_has(app: Flask, store: Store, project: Project) -> None:
    now, url = now_ms(), "https://other.example.com"
    store.append(project.id, [event("old", "ada", now - 2 * DAY_MS + n) for n in range(10)], now)
    site: Site = app.extensions[EXTENSION]
    keeping = replace(project, options={"retention_days": 1})
    forwarding = Expiry(replace(site, settings=replace(site.settings, forward=url + "/")), holder="one")
    assert forwarding.look_at(keeping) == 0  # it has not even begun
    store.begin_forwarding(project.id, url, since=0)
    assert forwarding.look_at(keeping) == 0
    store.lease(project.id, url, holder="me", now=now, until=now + 1000)
    store.forwarded(project.id, url, holder="me", seq=store.recent(project.id, after=0)[3].seq)
    assert forwarding.look_at(keeping) == 4
    assert Expiry(site, holder="one").look_at(keeping) == 6  # forwarding was switched off: nothing waits for it
    site.columns.close()
