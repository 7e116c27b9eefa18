"""beknown as the first-party collector in front of another one: each accepted event goes on, whatever happens."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import orjson
import pytest
from beknown.wire import iso
from beknown_server.errors import Misconfigured
from beknown_server.forward import Answer, Line, checked, written
from beknown_server.settings import read_settings
from beknown_server.store import Project, Store

from ..backend.conftest import Process, collector, until  # noqa: F401
from .conftest import BOTH_ENGINES, KEY, NOW, Server, event, uuid_of

URL = "https://other.example.com"


class Other:
    """The other collector, as a function: it answers as it is told and keeps what it accepted."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.keys: set[str] = set()
        self.answers: list[int] = []
        self.bad: set[str] = set()

    def __call__(self, key: str, texts: list[str]) -> Answer:
        uuids = [orjson.loads(text)["uuid"] for text in texts]
        self.keys.add(key)
        if self.answers and (status := self.answers.pop(0)) != 200:
            return Answer(status)
        if self.bad & set(uuids):
            return Answer(400)
        self.got += uuids
        return Answer(200)


class Ticks:
    """A clock that does not jump, in ms."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def line(store: Store, project: Project, holder: str = "me", **more: Any) -> Line:
    store.begin_forwarding(project.id, URL, since=0)
    return Line(store, project, URL, "", holder, **more)


def stored(store: Store, project: Project, count: int) -> list[str]:
    events = [event("x", f"user-{number % 3}", NOW + number) for number in range(count)]
    store.append(project.id, events, NOW)
    return [one.uuid for one in events]


@BOTH_ENGINES
def test_events_go_on_in_the_order_of_their_arrival_with_their_uuids(store: Store, project: Project) -> None:
    other, uuids = Other(), stored(store, project, 500)
    sending = line(store, project)
    while sending.turn(other, NOW):
        pass
    assert other.got == uuids
    assert other.keys == {KEY}


@BOTH_ENGINES
def test_a_restart_goes_on_where_the_cursor_is(store: Store, project: Project) -> None:
    other, uuids = Other(), stored(store, project, 500)
    line(store, project).turn(other, NOW)
    again = line(store, project)
    while again.turn(other, NOW):
        pass
    assert other.got == uuids


@BOTH_ENGINES
def test_failures_are_waited_out_and_nothing_overtakes(store: Store, project: Project) -> None:
    other, uuids = Other(), stored(store, project, 3)
    other.answers = [500, 429, 0, 401]
    ticks = Ticks()
    sending = line(store, project, ticks=ticks)
    assert not sending.turn(other, NOW)
    ticks.now += 1
    assert not sending.turn(other, NOW)  # not yet
    for _ in range(8):
        ticks.now += 5 * 60 * 1000
        sending.turn(other, NOW)
    assert other.got == uuids
    assert [one.code for one in store.warnings(project.id)] == ["forward_refused"]


@pytest.mark.parametrize("status", [503, 401, 400])
@BOTH_ENGINES
def test_a_person_who_is_deleted_while_events_wait_does_not_go_on(store: Store, project: Project, status: int) -> None:
    events = [event("x", name, NOW + number) for number, name in enumerate(("ada", "bob", "ada", "bob"))]
    store.append(project.id, events, NOW)
    other, ticks = Other(), Ticks()
    other.answers = [status]
    sending = line(store, project, ticks=ticks)
    sending.turn(other, NOW)
    store.corrections.delete(project.id, "ada", now=NOW + 1000)
    ticks.now += 5 * 60 * 1000
    while sending.turn(other, NOW + 2000):
        pass
    assert other.got == [one.uuid for one in events if one.distinct_id == "bob"]


@BOTH_ENGINES
def test_while_the_other_is_away_the_store_is_not_asked(
    store: Store, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(store, project, 3)
    sending = line(store, project, ticks=Ticks())
    sending.turn(lambda *_: Answer(503), NOW)
    monkeypatch.setattr(store, "recent", lambda *_, **__: pytest.fail("read"))
    assert not sending.turn(Other(), NOW)


@BOTH_ENGINES
def test_a_wait_begins_with_the_answer_whatever_the_wall_clock_does(store: Store, project: Project) -> None:
    other, ticks = Other(), Ticks()
    uuids, sending = stored(store, project, 1), line(store, project, ticks=ticks)

    def slow(key: str, texts: list[str]) -> Answer:
        ticks.now += 8000
        return Answer(429, retry_after=5000)

    sending.turn(slow, NOW)
    ticks.now += 4999
    assert not sending.turn(other, NOW + 12_999)
    ticks.now += 1
    assert sending.turn(other, NOW - 3_600_000)  # it was set back
    assert other.got == uuids


@BOTH_ENGINES
def test_an_event_that_the_other_cannot_use_is_dropped_alone_with_a_warning(store: Store, project: Project) -> None:
    other, uuids = Other(), stored(store, project, 20)
    other.bad = {uuids[7]}
    sending = line(store, project)
    for _ in range(60):
        sending.turn(other, NOW)
    assert other.got == uuids[:7] + uuids[8:]
    assert [one.code for one in store.warnings(project.id)] == ["forward_dropped"]


@BOTH_ENGINES
def test_a_collector_that_refuses_everything_does_not_eat_the_events(store: Store, project: Project) -> None:
    other, uuids = Other(), stored(store, project, 20)
    other.answers = [400] * 60
    sending = line(store, project)
    for _ in range(60):
        sending.turn(other, NOW)
    assert {one.code for one in store.warnings(project.id)} == {"forward_dropped", "forward_refused"}
    other.answers = []
    sending = line(store, project)
    while sending.turn(other, NOW):
        pass
    assert other.got == uuids[3:]


@BOTH_ENGINES
def test_events_that_the_other_says_it_skipped_are_counted(store: Store, project: Project) -> None:
    uuids, sending = stored(store, project, 3), line(store, project)
    skipped = ((0, "no distinct_id"), (2, "too old"))
    while sending.turn(lambda key, texts: Answer(200, skipped=skipped if len(texts) == len(uuids) else ()), NOW):
        pass
    ((code, count, example),) = [(one.code, one.count, one.example) for one in store.warnings(project.id)]
    assert (code, count) == ("forward_dropped", 2)
    assert "no distinct_id" in example


@BOTH_ENGINES
def test_one_process_forwards_at_a_time_and_another_takes_over(store: Store, project: Project) -> None:
    other, uuids = Other(), stored(store, project, 3)
    first, second = line(store, project, "first"), line(store, project, "second")
    assert first.turn(other, NOW)
    more = stored(store, project, 2)
    assert not second.turn(other, NOW + 1000)  # the first is alive, as far as the second can know
    assert second.turn(other, NOW + 60_000)
    assert other.got == uuids + more
    assert not first.turn(other, NOW + 61_000)
    second.release(NOW + 61_000)
    stored(store, project, 1)
    assert first.turn(other, NOW + 62_000)


@BOTH_ENGINES
def test_what_was_stored_before_stays_here(store: Store, project: Project) -> None:
    stored(store, project, 5)
    store.begin_forwarding(project.id, URL, since=NOW + 1)
    other = Other()
    sending = Line(store, project, URL, "phc_theirs", "me")
    assert not sending.turn(other, NOW)
    store.append(project.id, [event("y", "u")], NOW + 2)
    assert sending.turn(other, NOW)
    assert (len(other.got), other.keys) == (1, {"phc_theirs"})


@BOTH_ENGINES
def test_switched_off_and_on_again_it_goes_on_where_it_was(store: Store, project: Project) -> None:
    other = Other()
    uuids = stored(store, project, 2)
    assert line(store, project).turn(other, NOW)
    uuids += stored(store, project, 3)  # while it is off
    store.begin_forwarding(project.id, URL, since=NOW + 60_000)
    assert Line(store, project, URL, "", "another").turn(other, NOW + 60_000)
    assert other.got == uuids


@BOTH_ENGINES
def test_a_forwarded_event_says_what_was_said_here(store: Store, project: Project) -> None:
    properties = {"$set": {"name": "Ada"}, "$anon_distinct_id": "anon-1", "n": 1}
    uuid = uuid_of()
    store.append(project.id, [event("$identify", "ada", NOW, uuid=uuid, properties=properties)], NOW)
    [row] = store.recent(project.id)
    assert orjson.loads(written(row)) == {
        "uuid": uuid,
        "event": "$identify",
        "distinct_id": "ada",
        "timestamp": iso(NOW),
        "properties": {**properties, "$geoip_disable": True},
    }


@BOTH_ENGINES
def test_nobody_is_located_where_this_server_is(store: Store, project: Project) -> None:
    said = [{}, {"$ip": ""}, {"$geoip_disable": False}, {"$ip": "203.0.113.7"}]
    store.append(project.id, [event("x", "u", NOW + n, properties=one) for n, one in enumerate(said)], NOW)
    rows = store.recent(project.id, after=0)
    disabled = [orjson.loads(written(row))["properties"].get("$geoip_disable") for row in rows]
    assert disabled == [True, True, True, None]


@pytest.mark.parametrize("url", ["t.example.com", "ftp://x", "http://x:port", "http://x\x01", "http://127.0.0.1:8000/"])
def test_an_address_that_cannot_be_forwarded_to_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(Misconfigured):
        checked(read_settings({"BEKNOWN_FORWARD": url}))


@pytest.mark.timeout(120)
def test_killed_twice_on_the_way_to_a_bad_tempered_collector_everything_arrives_once(
    serve: Callable[..., Server],
    collector: Callable[[int], Process],  # noqa: F811
) -> None:
    other = collector(5)
    server = serve("--forward", other.url, "--workers", "2")
    accepted: list[str] = []
    for number in range(60):
        if number in (20, 40):
            server.kill()
            server.start()
        uuids = [uuid_of() for _ in range(20)]
        batch = [{"uuid": uuid, "event": "x", "distinct_id": f"user-{number % 3}"} for uuid in uuids]
        httpx.post(server.url + "/e/", json={"api_key": KEY, "batch": batch}).raise_for_status()
        accepted += uuids
    until(lambda: len(other.stored()) == len(accepted), "everything to arrive", patience=90)
    time.sleep(0.5)
    assert other.stored() == Counter(accepted)
    assert other.in_order() == accepted  # an id's events, too, have come in the order in which they were made
    assert server.stop() == 0
