"""The ``posthog`` package, as published: both wires, every call, flags, and every fault that it survives."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

import pytest
from posthog import AsyncPosthog, Posthog, identify_context, new_context
from posthog.capture_compression import CaptureCompression

from .conftest import Collected, Line

WIRES: dict[str, dict[str, Any]] = {
    "v0": {},
    "v0 gzip": {"gzip": True},
    "v1": {"capture_mode": "v1"},
    "v1 gzip": {"capture_mode": "v1", "capture_compression": CaptureCompression.GZIP},
    "v1 deflate": {"capture_mode": "v1", "capture_compression": CaptureCompression.DEFLATE},
}
Make = Callable[..., Posthog]


@pytest.fixture
def errors() -> list[Any]:
    return []


@pytest.fixture
def make(line: Line, collected: Collected, errors: list[Any], caplog: pytest.LogCaptureFixture) -> Iterator[Make]:
    """Make clients on the line; at the end nothing may have been logged that a developer would have to read."""
    made: list[Posthog] = []
    caplog.set_level(logging.WARNING, logger="posthog")

    def client(**options: Any) -> Posthog:
        made.append(Posthog(collected.key, host=line.url, on_error=lambda *error: errors.append(error), **options))
        return made[-1]

    yield client
    for one in made:
        one.shutdown()
    assert [record.getMessage() for record in caplog.records if record.name.startswith("posthog")] == []


def test_it_is_the_version_of_the_reference() -> None:
    assert version("posthog") == "7.91.1"


@pytest.mark.parametrize("wire", WIRES)
def test_every_call_arrives_once_without_an_error(
    make: Make, errors: list[Any], line: Line, collected: Collected, wire: str
) -> None:
    sdk = make(**WIRES[wire])
    sdk.capture("signed up", distinct_id="u1", properties={"plan": "pro"}, groups={"company": "acme"})
    sdk.capture(
        "$identify", distinct_id="u1", properties={"$anon_distinct_id": "a1", "$set": {"email": "ada@x.example"}}
    )
    sdk.set(distinct_id="u1", properties={"name": "Ada"})
    sdk.set_once(distinct_id="u1", properties={"first": 1})
    sdk.alias("u1", "phone-7")  # the first survives
    sdk.group_identify("company", "acme", {"size": 3}, distinct_id="u1")
    sdk.capture("by number", distinct_id=42)
    sdk.capture("personless")
    with new_context():
        identify_context("u1")
        sdk.capture("in context")
    assert not sdk.evaluate_flags("u1").is_enabled("beta")
    sdk.shutdown()
    assert errors == []
    names = collected.names()
    calls = "signed up|$identify|$set|$set_once|$create_alias|$groupidentify|by number|personless|in context"
    assert names == Counter([*calls.split("|"), "$feature_flag_called"])
    person = collected.person("u1")
    assert sorted(person["distinct_ids"]) == ["a1", "phone-7", "u1"]
    assert person["properties"] == {"email": "ada@x.example", "name": "Ada", "first": 1}
    assert person["is_identified"]
    signed_up = collected.one("signed up")
    assert signed_up["properties"]["$groups"] == {"company": "acme"}
    assert signed_up["properties"]["$lib"] == "posthog-python"
    assert collected.one("by number")["distinct_id"] == "42"
    assert collected.one("personless")["properties"]["$process_person_profile"] is False
    assert collected.warnings() == {}
    assert set(line.requests("/")) == {200}


@pytest.mark.parametrize("wire", ["v0", "v1"])
@pytest.mark.parametrize("fault", ["503", "lost", "cut"])
def test_what_failed_is_sent_again_and_stored_once(
    make: Make, errors: list[Any], line: Line, collected: Collected, wire: str, fault: str
) -> None:
    line.faults = [fault]
    sdk = make(**WIRES[wire])
    for number in range(20):
        sdk.capture("counted", distinct_id="u1", properties={"number": number})
    sdk.shutdown()
    assert errors == []
    assert sorted(row["properties"]["number"] for row in collected.events()) == list(range(20))
    assert line.requests("/batch" if wire == "v0" else "/i/v1/") == [0 if fault == "cut" else 503, 200]


@pytest.mark.parametrize("wire", ["v0", "v1"])
def test_the_asynchronous_client_is_understood_too(line: Line, collected: Collected, wire: str) -> None:
    errors: list[Any] = []

    async def visit() -> None:
        sdk = AsyncPosthog(collected.key, host=line.url, on_error=lambda *error: errors.append(error), **WIRES[wire])
        for number in range(20):
            sdk.capture("counted", distinct_id="u1", properties={"number": number})
        sdk.set(distinct_id="u1", properties={"name": "Ada"})
        await sdk.shutdown()

    line.faults = ["lost"]
    with ThreadPoolExecutor(1) as elsewhere:  # Playwright keeps a loop running in this thread
        elsewhere.submit(asyncio.run, visit()).result(60)
    assert errors == []
    assert collected.names() == Counter({"counted": 20, "$set": 1})
    assert collected.person("u1")["properties"] == {"name": "Ada"}


def test_an_ai_event_arrives(make: Make, errors: list[Any], collected: Collected) -> None:
    sdk = make()
    sdk.capture_ai("$ai_generation", distinct_id="u1", properties={"$ai_model": "small"})
    sdk.shutdown()
    assert errors == []
    assert collected.one("$ai_generation")["properties"]["$ai_model"] == "small"


def test_what_is_not_allowed_is_told_where_the_developer_reads_it(line: Line) -> None:
    errors: list[Any] = []
    told: dict[str, str] = {}
    for what, key in {"unknown": "bk_other", "personal": "phx_mine"}.items():
        sdk = Posthog(key, host=line.url, on_error=lambda error, _: errors.append(error))
        sdk.capture("x", distinct_id="u1")
        sdk.shutdown()
        told[what] = str(errors.pop())
    assert "no project has this key. Copy the write key" in told["unknown"]
    assert "a secret key was sent as the project key. Rotate it" in told["personal"]
    assert line.requests("/batch") == [401, 401]  # not one attempt more


def test_what_is_too_large_is_refused_once_with_the_reason(line: Line, collected: Collected) -> None:
    line.most = 1000
    errors: list[Any] = []
    sdk = Posthog(collected.key, host=line.url, on_error=lambda error, batch: errors.append((error, len(batch))))
    sdk.capture("large", distinct_id="u1", properties={"text": "x" * 2000})
    sdk.shutdown()
    assert [(error.status, count) for error, count in errors] == [(413, 1)]
    assert line.requests("/batch") == [413]


def test_on_the_newer_wire_a_dropped_event_is_named_and_the_others_are_stored(line: Line, collected: Collected) -> None:
    errors: list[Any] = []
    sdk = Posthog(collected.key, host=line.url, on_error=lambda error, _: errors.append(error), capture_mode="v1")
    sdk.capture("kept", distinct_id="u1")
    sdk.capture("x" * 201, distinct_id="u1")
    sdk.shutdown()
    assert [details for error in errors for _, details in error.drops] == ["event_name_too_long"]
    assert collected.names() == Counter(["kept"])
    assert collected.warnings() == {"skipped: event name too long": 1}
