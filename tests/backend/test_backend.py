"""The two clients against a real server on loopback: what arrives, and what the application hears."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from beknown.backend import (
    AsyncClient,
    BadCall,
    BadId,
    Client,
    NotSent,
    Visitor,
    identify_context,
    within,
)
from beknown.errors import BeknownError

from .conftest import KEY, Recorder, in_a_loop, until

Heard = list[tuple[BeknownError, list[dict[str, Any]]]]
UUID = "01a20ac2-f41d-71cf-917a-c081a3fe8768"
Make = Callable[..., Client]


@pytest.fixture
def heard() -> Heard:
    return []


@pytest.fixture
def make(recorder: Recorder, heard: Heard) -> Iterator[Make]:
    """Make clients that are closed at the end."""
    made: list[Client] = []

    def client(**options: Any) -> Client:
        options = {"retry_wait": 0.05, "on_error": lambda *told: heard.append(told), **options}
        made.append(Client(KEY, options.pop("host", recorder.url), **options))
        return made[-1]

    yield client
    recorder.goes_on.set()
    for one in made:
        one.close(timeout=2)


def test_each_call_arrives_as_posthogs_collectors_read_it(make: Make, recorder: Recorder) -> None:
    client = make()
    client.capture("u", "paid", {"total": 42}, groups={"company": "acme"}, timestamp=datetime(2024, 1, 2), uuid=UUID)
    client.identify("u", {"plan": "pro"})
    client.set("u", {"name": "Ada"})
    client.set_once("u", {"source": "ad"})
    client.alias("u", "old")
    client.group_identify("company", "acme", {"size": 7})
    assert client.flush()

    assert recorder.paths == ["/batch/"] * len(recorder.paths)
    assert {body["api_key"] for body in recorder.bodies} == {KEY}
    paid = recorder.event("paid")
    assert (paid["uuid"], paid["distinct_id"], paid["timestamp"]) == (UUID, "u", "2024-01-02T00:00:00.000Z")
    assert paid["properties"]["$groups"] == {"company": "acme"}
    identify = recorder.event("$identify")
    assert identify["$set"] == {"plan": "pro"}
    assert "$anon_distinct_id" not in identify["properties"]  # on a backend it links nobody
    assert [event.get("$set") or event.get("$set_once") for event in recorder.events if event["event"] == "$set"] == [
        {"name": "Ada"},
        {"source": "ad"},
    ]
    alias = recorder.event("$create_alias")
    assert (alias["distinct_id"], alias["properties"]["alias"]) == ("u", "old")
    group = recorder.event("$groupidentify")
    assert group["distinct_id"] == "$company_acme"
    assert group["properties"]["$group_set"] == {"size": 7}


def test_events_without_an_id_are_refused_and_nothing_is_made_up(make: Make, recorder: Recorder, heard: Heard) -> None:
    client = make()
    assert client.capture(None, "paid") is None
    assert client.capture("undefined", "paid") is None
    assert client.flush()
    assert recorder.events == []
    assert [type(error) for error, _ in heard] == [BadId, BadId]
    assert "4. a new id for every event" in str(heard[0][0])


def test_calls_in_a_context_belong_to_its_visitor(make: Make, recorder: Recorder) -> None:
    client = make()
    with within(Visitor("visitor-1", "session", "device", False, properties={"$current_url": "https://a/"})):
        client.capture(None, "inherited")
        client.capture("other", "explicit")
    client.flush()
    inherited, explicit = recorder.event("inherited"), recorder.event("explicit")
    assert inherited["distinct_id"] == "visitor-1"
    assert inherited["properties"]["$session_id"] == "session"
    assert inherited["properties"]["$process_person_profile"] is False
    assert explicit["distinct_id"] == "other"
    assert "$session_id" not in explicit["properties"]  # another's session is not this person's
    assert explicit["properties"]["$current_url"] == "https://a/"


def test_contexts_of_tasks_that_take_turns_do_not_mix(recorder: Recorder) -> None:
    async def visit(client: AsyncClient, who: str) -> None:
        with identify_context(who):
            for _ in range(5):
                await asyncio.sleep(0)
                client.capture(None, f"of {who}")

    async def run() -> None:
        async with AsyncClient(KEY, recorder.url) as client:
            await asyncio.gather(*[visit(client, f"user-{number}") for number in range(20)])

    in_a_loop(run())
    assert len(recorder.events) == 100
    assert all(event["event"] == f"of {event['distinct_id']}" for event in recorder.events)


def test_batches_are_full_under_load_and_compressed(make: Make, recorder: Recorder) -> None:
    client = make()
    for number in range(1000):
        client.capture("u", "x", {"number": number})
    assert client.flush()
    assert [event["properties"]["number"] for event in recorder.events] == list(range(1000))
    sizes = [len(body["batch"]) for body in recorder.bodies]
    assert max(sizes) == 100
    assert len(sizes) <= 13
    assert recorder.headers[1]["Content-Encoding"] == "gzip"


def test_the_first_event_does_not_wait_for_company(make: Make, recorder: Recorder) -> None:
    client = make(flush_interval=30)
    client.capture("u", "x")
    until(lambda: recorder.events, "the first event", patience=5)


def test_before_send_changes_and_drops_and_its_faults_cost_one_event(
    make: Make, recorder: Recorder, heard: Heard
) -> None:
    def before_send(event: dict[str, Any]) -> dict[str, Any] | None:
        if event["event"] == "fault":
            raise ZeroDivisionError
        event["properties"]["seen"] = True
        return None if event["event"] == "secret" else event

    client = make(before_send=before_send)
    assert client.capture("u", "secret") is None
    assert client.capture("u", "fault") is None
    assert client.capture("u", "fine")
    client.flush()
    assert [event["properties"]["seen"] for event in recorder.events] == [True]
    assert "ZeroDivisionError" in str(heard[0][0])


def test_a_disabled_client_does_nothing_at_all(make: Make, recorder: Recorder, heard: Heard) -> None:
    client = make(disabled=True)
    assert client.capture(None, "paid") is None
    client.flush()
    assert (recorder.bodies, heard) == ([], [])


def test_errors_are_raised_only_where_they_are_asked_for(make: Make) -> None:
    client = make(raise_errors=True)
    with pytest.raises(BadId):
        client.capture("null", "paid")
    with pytest.raises(BadCall):
        client.capture("u", "")


def test_a_full_queue_says_so_and_keeps_what_it_had(make: Make, recorder: Recorder, heard: Heard) -> None:
    recorder.hangs.set()
    client = make(max_queue_size=5)
    accepted = [client.capture("u", "x") for _ in range(8)]
    assert [uuid is not None for uuid in accepted] == [True] * 5 + [False] * 3
    assert all("queue is full" in str(error) for error, _ in heard)
    assert [[event["event"] for event in events] for _, events in heard] == [["x"]] * 3
    recorder.hangs.clear()
    recorder.goes_on.set()
    assert client.flush()
    assert [event["uuid"] for event in recorder.events] == accepted[:5]


def test_an_event_that_is_too_large_goes_to_on_error_as_it_is(make: Make, heard: Heard) -> None:
    client = make()
    assert client.capture("u", "large", {str(number): "x" * 60_000 for number in range(20)}) is None
    [(error, [event])] = heard
    assert "over" in str(error)
    assert (event["event"], len(event["properties"]["19"])) == ("large", 60_000)


def test_a_driver_that_cannot_start_costs_no_call(
    make: Make, recorder: Recorder, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ill() -> None:
        raise OSError("no more threads")

    client = make()
    monkeypatch.setattr(client, "_is_driven", ill)
    assert client.capture("u", "x")
    assert "no more threads" in str(heard[0][0])
    monkeypatch.undo()
    assert client.flush()
    assert len(recorder.events) == 1


def test_calls_made_in_the_same_millisecond_keep_their_order_as_uuids(make: Make) -> None:
    client = make()
    uuids = [client.capture("u", "x") for _ in range(500)]
    assert uuids == sorted(uuid for uuid in uuids if uuid)


def test_the_same_uuid_waiting_is_queued_once(make: Make, recorder: Recorder) -> None:
    recorder.hangs.set()
    client = make()
    assert client.capture("u", "x", uuid=UUID) == client.capture("u", "x", uuid=UUID) == UUID
    recorder.goes_on.set()
    assert client.flush()
    assert [event["uuid"] for event in recorder.events] == [UUID]


def test_what_the_collector_refuses_goes_to_on_error_with_the_events(
    make: Make, recorder: Recorder, heard: Heard
) -> None:
    recorder.answers = [(400, {"detail": "no good"})]
    client = make()
    client.capture("u", "bad")
    assert client.flush()
    [(error, events)] = heard
    assert isinstance(error, NotSent)
    assert error.status == 400
    assert "no good" in str(error)
    assert [event["event"] for event in events] == ["bad"]


def test_events_that_the_collector_skipped_are_named(make: Make, recorder: Recorder, heard: Heard) -> None:
    recorder.answers = [(200, {"status": 1, "skipped": [{"index": 0, "reason": "too old"}]})]
    client = make()
    client.capture("u", "old")
    assert client.flush()
    assert "too old" in str(heard[0][0])
    assert heard[0][1][0]["event"] == "old"


@pytest.mark.parametrize(
    ("said", "also"),
    [
        ({"skipped": [{"index": None, "reason": "odd"}]}, {}),
        (b"[" * 200_000, {}),
        (b"{}", {"Content-Encoding": "gzip"}),  # it is not
        (b"{}", {"Retry-After": "\u00b2"}),
    ],
)
def test_a_200_settles_whatever_else_it_says(make: Make, recorder: Recorder, said: Any, also: dict[str, str]) -> None:
    recorder.answers, recorder.also = [(200, said)], also
    client = make()
    client.capture("u", "x")
    assert client.flush(timeout=5)
    assert len(recorder.events) == 1


def test_the_wish_of_a_collector_is_kept(make: Make, recorder: Recorder) -> None:
    recorder.answers, recorder.also = [(429, {})], {"Retry-After": "1"}
    client = make(retry_wait=0.01)
    client.capture("u", "x")
    until(lambda: recorder.events, "the second try")
    first, second = recorder.times
    assert 1 <= second - first < 5  # seconds


@pytest.mark.parametrize("status", [301, 401, 404, 405, 410])
def test_a_wrong_key_or_address_is_told_and_loses_nothing(
    make: Make, recorder: Recorder, heard: Heard, status: int
) -> None:
    recorder.answers = [(status, {"detail": "unknown key"})]
    client = make()
    client.capture("u", "x")
    assert not client.flush(timeout=5)  # and it does not wait those five seconds
    assert str(status) in str(heard[0][0])
    assert client.flush()  # mended in the meantime
    assert len(recorder.events) == 1


def test_an_address_that_refuses_everything_does_not_eat_the_queue(
    make: Make, recorder: Recorder, heard: Heard
) -> None:
    recorder.answers = [(400, {"detail": "The plain HTTP request was sent to HTTPS port"})] * 100
    client = make()
    for _ in range(50):
        client.capture("u", "x")
    assert not client.flush(timeout=10)  # and it does not wait those ten seconds
    refused = sum(len(events) for _, events in heard)
    assert 0 < refused <= 3
    assert "mend it" in str(heard[-1][0])
    assert "HTTPS port" in str(heard[-1][0])
    recorder.answers = []
    assert client.flush()
    assert len(recorder.events) == 50 - refused


def test_an_on_error_that_fails_harms_nobody(make: Make, recorder: Recorder) -> None:
    def on_error(*_: Any) -> None:
        raise ZeroDivisionError

    client = make(on_error=on_error)
    client.capture(None, "x")
    client.capture("u", "fine")
    assert client.flush()
    assert len(recorder.events) == 1


def test_in_sync_mode_a_call_returns_when_the_event_is_there(make: Make, recorder: Recorder) -> None:
    client = make(sync_mode=True)
    assert client.capture("u", "x")
    assert len(recorder.events) == 1
    recorder.answers = [(500, {})]
    assert client.capture("u", "y")
    assert len(recorder.events) == 2


def test_in_sync_mode_a_refusal_can_be_raised(make: Make, recorder: Recorder) -> None:
    recorder.answers = [(400, {"detail": "no good"})]
    client = make(sync_mode=True, raise_errors=True)
    with pytest.raises(NotSent, match="no good"):
        client.capture("u", "x")


def test_in_sync_mode_a_refusal_is_raised_from_the_call_that_it_is_about(make: Make, recorder: Recorder) -> None:
    recorder.hangs.set()
    recorder.answers = [(400, {"detail": "no good"}), (200, {"status": 1})]
    client = make(sync_mode=True, raise_errors=True)
    with ThreadPoolExecutor() as pool:
        bad = pool.submit(client.capture, "u", "bad")
        until(lambda: client._delivery._in_flight, "the first request")
        fine = pool.submit(client.capture, "u", "fine")
        until(lambda: len(client._delivery) == 2, "the second event")
        recorder.hangs.clear()
        recorder.goes_on.set()
        assert fine.result()
        with pytest.raises(NotSent, match="no good"):
            bad.result()


def test_in_sync_mode_a_wrong_key_is_raised(make: Make, recorder: Recorder) -> None:
    recorder.answers = [(401, {"detail": "unknown key"})]
    client = make(sync_mode=True, raise_errors=True)
    with pytest.raises(NotSent, match="unknown key"):
        client.capture("u", "x")
    assert client.flush()


def test_in_sync_mode_an_on_error_may_capture_too(make: Make, recorder: Recorder) -> None:
    recorder.answers = [(400, {"detail": "no good"})]
    client = make(sync_mode=True, on_error=lambda *_: client.capture("u", "refused"))
    assert client.capture("u", "bad")
    assert client.flush()
    assert [event["event"] for event in recorder.events] == ["refused"]


def test_in_sync_mode_a_hanging_collector_costs_no_more_than_the_timeout(make: Make, recorder: Recorder) -> None:
    recorder.hangs.set()
    client = make(sync_mode=True, timeout=0.3)
    began = time.monotonic()
    assert client.capture("u", "x")
    assert time.monotonic() - began < 10  # seconds; it hangs for 20
    recorder.hangs.clear()
    recorder.goes_on.set()
    assert client.capture("u", "y")
    assert client.flush()
    assert {event["event"] for event in recorder.events} == {"x", "y"}  # the one that hung may be told of last


def test_close_gives_up_within_its_bound_and_says_what_was_lost(make: Make, recorder: Recorder, heard: Heard) -> None:
    recorder.hangs.set()
    client = make()
    client.capture("u", "x")
    began = time.monotonic()
    client.close(timeout=0.3)
    assert time.monotonic() - began < 10  # seconds; it hangs for 20
    assert "could not be delivered" in str(heard[0][0])
    assert [event["event"] for event in heard[0][1]] == ["x"]
    assert client.capture("u", "late") is None


def test_leaving_the_block_delivers(recorder: Recorder) -> None:
    with Client(KEY, recorder.url + "/prefix/") as client:
        client.capture("u", "x")
    assert recorder.paths == ["/prefix/batch/"]
    assert len(recorder.events) == 1


def test_the_async_client_takes_calls_from_other_threads_and_recovers(recorder: Recorder) -> None:
    async def run() -> None:
        recorder.answers = [(500, {}), (503, {})]
        async with AsyncClient(KEY, recorder.url, retry_wait=0.02) as client:
            await asyncio.gather(*[asyncio.to_thread(client.capture, "u", f"x{number}") for number in range(50)])
            assert await client.flush()
            assert len(recorder.events) == 50

    in_a_loop(run())


def test_the_async_client_gives_up_within_its_bound(recorder: Recorder) -> None:
    heard: Heard = []

    async def run() -> None:
        recorder.hangs.set()
        client = AsyncClient(KEY, recorder.url, on_error=lambda *told: heard.append(told))
        client.capture("u", "x")
        await client.close(timeout=0.3)

    began = time.monotonic()
    in_a_loop(run())
    assert time.monotonic() - began < 10  # seconds; it hangs for 20
    assert "could not be delivered" in str(heard[0][0])


def test_a_disabled_client_needs_neither_key_nor_address() -> None:
    client = Client("", "", disabled=True)
    assert client.capture("u", "x") is None
    assert client.flush()
    client.close()


def test_a_client_without_key_or_address_is_refused_at_once() -> None:
    with pytest.raises(BadCall, match="write key"):
        Client("", "http://127.0.0.1:1")
    with pytest.raises(BadCall, match="http"):
        Client(KEY, "t.example.com")
