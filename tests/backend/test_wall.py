"""Whatever a call is given, nothing is raised into the application, by either client, disabled or not."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Any

import pytest
from beknown.backend import AsyncClient, BadCall, BadId, BeknownError, Client, identify_context
from beknown.ids import is_uuid
from beknown.speaker import Speaker

from .conftest import KEY, Recorder, in_a_loop

Calls = Iterator[tuple[str, Callable[[], Any]]]


class Spiteful:
    """Raises whatever it is asked."""

    def _raise(self, *_: Any) -> Any:
        raise ZeroDivisionError

    __bool__ = __str__ = __repr__ = __iter__ = __len__ = __eq__ = __hash__ = __getattr__ = _raise


NAMES = [name for name in vars(Speaker) if not name.startswith("_") and callable(getattr(Speaker, name))]
FINE: dict[str, Any] = {
    "distinct_id": "u", "event": "x", "properties": {"n": 1}, "groups": {"company": "acme"}, "uuid": None,
    "timestamp": datetime(2024, 1, 2), "alias": "old", "signature": "", "group_type": "company", "group_key": "acme",
}  # fmt: skip


def calls(client: Speaker) -> Calls:
    """Give each call with each of its arguments spoilt in each way."""
    for name in NAMES:
        fine = {argument: FINE[argument] for argument in inspect.signature(getattr(client, name)).parameters}
        for argument in fine:
            for spoilt in (5, "x", ["x"], object(), Spiteful()):
                what = f"{name}({argument}={type(spoilt).__name__})"
                yield what, partial(getattr(client, name), **{**fine, argument: spoilt})


def check(client: Speaker) -> None:
    for what, call in calls(client):
        answer = call()
        assert answer is None or (not client.disabled and is_uuid(answer)), what


def test_there_are_the_calls_to_try() -> None:
    assert {"capture", "identify", "set", "set_once", "alias", "group_identify"} == set(NAMES)


@pytest.mark.parametrize("disabled", [False, True])
def test_no_call_raises_whatever_it_is_given(recorder: Recorder, disabled: bool) -> None:
    with Client(KEY, recorder.url, disabled=disabled) as client:
        check(client)
    assert bool(recorder.events) is not disabled


@pytest.mark.parametrize("disabled", [False, True])
def test_no_call_of_the_async_client_does(recorder: Recorder, disabled: bool) -> None:
    async def run() -> None:
        async with AsyncClient(KEY, recorder.url, disabled=disabled) as client:
            check(client)

    in_a_loop(run())
    assert bool(recorder.events) is not disabled


def test_what_is_raised_where_that_is_asked_for_is_ours(recorder: Recorder) -> None:
    with Client(KEY, recorder.url, raise_errors=True) as client:
        for _, call in calls(client):
            with suppress(BeknownError):
                call()


def test_bags_that_are_none_are_left_out_and_named_and_cost_no_event(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "beknown"), Client(KEY, recorder.url, raise_errors=True) as client:
        assert client.capture("u", "without", {"n": 1}, groups="acme")  # type: ignore[arg-type]
        assert client.capture("u", "neither", "oops", groups=["company"])  # type: ignore[arg-type]
        assert client.group_identify("company", "acme", 5)  # type: ignore[arg-type]
    assert recorder.event("without")["properties"]["n"] == 1
    assert "$groups" not in {**recorder.event("without")["properties"], **recorder.event("neither")["properties"]}
    assert "$group_set" not in recorder.event("$groupidentify")["properties"]
    assert [text.partition(" of ")[2].partition(" must")[0] for text in caplog.messages] == [
        "without: $groups",
        "neither: properties",
        "neither: $groups",
        "$groupidentify: $group_set",
    ]


def test_mappings_of_any_kind_are_bags(recorder: Recorder) -> None:
    with Client(KEY, recorder.url, raise_errors=True) as client:
        client.capture("u", "x", MappingProxyType({"n": 1}), groups=MappingProxyType({"company": "acme"}))
        client.set("u", MappingProxyType({"plan": "pro"}))
        client.group_identify("company", "acme", MappingProxyType({"size": 7}))
    assert recorder.event("x")["properties"]["n"] == 1
    assert recorder.event("x")["properties"]["$groups"] == {"company": "acme"}
    assert recorder.event("$set")["$set"] == {"plan": "pro"}
    assert recorder.event("$groupidentify")["properties"]["$group_set"] == {"size": 7}


@pytest.mark.parametrize(
    ("kind", "key"),
    [(None, None), ("company", None), ("company", " "), ("company", "\ufeff"), ("", "acme"), (5, "acme")],
)
def test_a_group_without_type_or_key_is_refused(recorder: Recorder, kind: Any, key: Any) -> None:
    with Client(KEY, recorder.url, raise_errors=True) as client:
        with pytest.raises(BadCall, match="company"):
            client.group_identify(kind, key, {"size": 7})
        assert client.group_identify("company", 7)  # type: ignore[arg-type]
    assert [event["distinct_id"] for event in recorder.events] == ["$company_7"]


@pytest.mark.parametrize("nobody", [None, "", "null"])
def test_a_context_of_nobody_is_refused_at_once(nobody: str | None) -> None:
    with pytest.raises(BadId), identify_context(nobody):
        pass
