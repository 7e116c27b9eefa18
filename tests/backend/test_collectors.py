"""Our own server as the collector: fed by our client, and by PostHog's."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from beknown.backend import AsyncClient, Client, NotSent, Visitor, identify_context, sign, within
from beknown_server.store import open_store
from beknown_server.store.projects import REMEMBERED_S
from posthog import Posthog

from ..server.conftest import SECRET, Server
from .conftest import KEY, Recorder, in_a_loop, until

ANON = "01a20ac2-f41d-71cf-917a-c081a3fe8768"


def person(server: Server, distinct_id: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {SECRET}"}
    return dict(httpx.get(f"{server.url}/api/persons/{distinct_id}", headers=headers).raise_for_status().json())


def page_identifies(server: Server, user: str) -> None:
    """Send what the tag sends when a page calls identify()."""
    event = {
        "uuid": str(uuid4()),
        "event": "$identify",
        "distinct_id": user,
        "properties": {"$anon_distinct_id": ANON},
    }
    httpx.post(server.url + "/e/", json={"api_key": KEY, "batch": [event]}).raise_for_status()


def test_what_the_backend_said_of_a_visitor_becomes_the_users(beknown: Server) -> None:
    with Client(KEY, beknown.url) as client:
        with identify_context(ANON, session_id="s"):
            client.capture(None, "signed_up")
        client.flush()
        page_identifies(beknown, "user-1")
        client.capture("user-1", "order_paid")
        client.identify("user-1", {"name": "Ada"})
        client.set_once("user-1", {"first_plan": "free"})
        client.set_once("user-1", {"first_plan": "pro"})
        client.alias("user-1", "crm-7")
        client.capture("crm-7", "called")
    found = person(beknown, ANON)
    assert sorted(found["distinct_ids"]) == sorted([ANON, "crm-7", "user-1"])
    assert found["is_identified"]
    assert found["event_count"] == 8
    assert found["properties"]["name"] == "Ada"
    assert found["properties"]["first_plan"] == "free"


def test_where_signed_identities_are_demanded_an_alias_links_with_the_users_signature(beknown: Server) -> None:
    store = open_store(beknown.database)
    store.set_options(1, {"signed_identities": True})
    store.close()
    time.sleep(REMEMBERED_S)  # then the server's process knows of it
    good, wrong = sign("user-1", SECRET), sign("user-2", SECRET)
    with Client(KEY, beknown.url) as client:
        client.alias("user-1", "unsigned")
        client.alias("user-1", "wrong", signature=wrong)
        client.alias("user-1", "crm-7", signature=good)
        client.alias("old-shop-7", "user-1", signature=good)  # either of the two may be the user
        client.alias("user-1 ", "crm-8", signature=sign("user-1 ", SECRET))

    async def of_a_task() -> None:
        async with AsyncClient(KEY, beknown.url) as client:
            client.alias("user-1", "crm-9", signature=good)

    in_a_loop(of_a_task())
    assert sorted(person(beknown, "user-1")["distinct_ids"]) == ["crm-7", "crm-8", "crm-9", "old-shop-7", "user-1"]
    headers = {"Authorization": f"Bearer {SECRET}"}
    events = httpx.get(f"{beknown.url}/api/events", headers=headers).json()["results"]
    assert [one["properties"]["$verified"] for one in events] == [True, True, True, True, False, False]
    assert not any("$signature" in one["properties"] for one in events)


def test_identify_on_a_backend_sets_properties_and_marks_nobody(beknown: Server) -> None:
    with Client(KEY, beknown.url) as client:
        client.identify(ANON, {"plan": "pro"})
    found = person(beknown, ANON)
    assert found["properties"] == {"plan": "pro"}
    assert not found["is_identified"]


def test_what_a_request_says_of_its_anonymous_visitor_is_kept(beknown: Server) -> None:
    with Client(KEY, beknown.url) as client, within(Visitor(ANON, "s", ANON, is_identified=False)):
        client.capture(None, "looked")
        client.set(None, {"plan": "pro"})
        client.set_once(None, {"source": "ad"})
        client.identify(None, {"name": "Ada"})
        client.alias(None, "crm-7")
        client.group_identify("company", "acme", {"seats": 5})
        client.capture(None, "ordered", groups={"company": "acme"})
        client.capture(None, "paid", {"$set": {"paid": True}})
    found = person(beknown, ANON)
    assert found["properties"] == {"plan": "pro", "source": "ad", "name": "Ada", "paid": True}
    assert sorted(found["distinct_ids"]) == sorted([ANON, "crm-7"])
    headers = {"Authorization": f"Bearer {SECRET}"}
    events = httpx.get(f"{beknown.url}/api/events", headers=headers).json()["results"]
    bare = [one["event"] for one in events if one["properties"].get("$process_person_profile") is False]
    assert bare == ["looked"]
    assert next(one for one in events if one["event"] == "ordered")["properties"]["$groups"] == {"company": "acme"}
    (group,) = httpx.get(f"{beknown.url}/api/groups", headers=headers).json()["results"]
    assert group["properties"] == {"seats": 5}


def test_a_wrong_key_is_told_in_the_servers_words(beknown: Server) -> None:
    client = Client("bk_wrong", beknown.url, sync_mode=True, raise_errors=True)
    with pytest.raises(NotSent, match="key") as refusal:
        client.capture("u", "x")
    client.close(timeout=1)
    assert refusal.value.status == 401


def read(event: dict[str, Any]) -> dict[str, Any]:
    """Give what a collector of PostHog's reads of an event (posthog-server §1.4, §1.5); libraries name themselves."""
    inner = event["properties"]
    bags = {name: event.get(name) or inner.get(name) for name in ("$set", "$set_once")}
    own = {
        name: value
        for name, value in inner.items()
        if name in ("total", "$groups", "alias", "$group_type", "$group_key", "$group_set")
    }
    at = datetime.fromisoformat(event["timestamp"])
    assert at.tzinfo, "a time has its zone"
    assert UUID(event["uuid"])
    assert inner["$lib"]
    assert abs(at - datetime.now(UTC)) < timedelta(minutes=5) or event["event"] == "paid"
    name = "$set" if event["event"] == "$set_once" else event["event"]  # any event's bags are read, whatever its name
    return {"event": name, "of": event["distinct_id"], "own": own, **bags}


def test_a_posthog_instance_reads_the_same_of_our_client_as_of_its_own(recorder: Recorder) -> None:
    at = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
    same = {"timestamp": at, "uuid": "01a20ac2-f41d-71cf-917a-c081a3fe8768"}
    theirs = Posthog(KEY, host=recorder.url, gzip=True)
    theirs.capture("paid", distinct_id="u", properties={"total": 42}, groups={"company": "acme"}, **same)
    theirs.set(distinct_id="u", properties={"name": "Ada"})
    theirs.set_once(distinct_id="u", properties={"source": "ad"})
    theirs.alias("u", "old")
    theirs.group_identify("company", "acme", {"size": 7}, distinct_id="$company_acme")
    theirs.shutdown()
    requests = len(recorder.bodies)
    with Client(KEY, recorder.url) as ours:
        ours.capture("u", "paid", {"total": 42}, groups={"company": "acme"}, **same)
        ours.set("u", {"name": "Ada"})
        ours.set_once("u", {"source": "ad"})
        ours.alias("u", "old")
        ours.group_identify("company", "acme", {"size": 7})
    his = [read(event) for body in recorder.bodies[:requests] for event in body["batch"]]
    mine = [read(event) for body in recorder.bodies[requests:] for event in body["batch"]]
    assert mine == his
    paid = [datetime.fromisoformat(each["timestamp"]) for each in recorder.events if each["event"] == "paid"]
    assert paid == [at, at]
    assert set(recorder.paths) == {"/batch/"}
    assert {body["api_key"] for body in recorder.bodies} == {KEY}
    assert {headers["Content-Type"] for headers in recorder.headers} == {"application/json"}
    assert {headers.get("Content-Encoding", "gzip") for headers in recorder.headers} == {"gzip"}


@pytest.mark.parametrize("zipped", [False, True])
def test_posthogs_own_client_feeds_our_server(beknown: Server, zipped: bool) -> None:
    theirs = Posthog(KEY, host=beknown.url, gzip=zipped)
    for number in range(150):
        theirs.capture("order_paid", distinct_id="user-1", properties={"number": number})
    theirs.set(distinct_id="user-1", properties={"name": "Ada"})
    theirs.alias("user-1", "crm-7")
    theirs.shutdown()
    found = until(lambda: person(beknown, "crm-7"), "the person")
    assert sorted(found["distinct_ids"]) == ["crm-7", "user-1"]
    assert found["event_count"] == 152
    assert found["properties"]["name"] == "Ada"


async def sends(server: Server) -> None:
    async with AsyncClient(KEY, server.url) as client:
        for _ in range(150):
            client.capture("user-2", "x")


def test_the_async_client_feeds_it_too(beknown: Server) -> None:
    in_a_loop(sends(beknown))
    assert person(beknown, "user-2")["event_count"] == 150
