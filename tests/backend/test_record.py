"""What a backend's call becomes on the wire, and what is refused, with advice."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from beknown import record
from beknown.errors import BadCall, BadId, BadValue, NotSent

UUID_TEXT = "01a20ac2-f41d-71cf-917a-c081a3fe8768"


def built(properties: Any = None, **more: Any) -> tuple[dict[str, Any], list[str]]:
    arguments: dict[str, Any] = {"uuid": UUID_TEXT, "at": 0, "context": {}, "only_ours": {}}
    return record.build("paid", "u", properties, **{**arguments, **more})


class Colour(Enum):
    RED = "red"


@dataclass
class Money:
    amount: Decimal
    currency: str


def test_what_backends_hold_travels_as_posthogs_client_sends_it() -> None:
    values = {
        "decimal": Decimal("1.5"), "id": UUID(UUID_TEXT), "enum": Colour.RED, "bytes": b"ab", "day": date(2024, 1, 2),
        "record": Money(Decimal(2), "EUR"), "queue": deque([1]), "frozen": frozenset([2]), "nan": float("nan"),
    }  # fmt: skip
    found, complaints = built(values)
    assert complaints == []
    assert {name: found["properties"][name] for name in values} == {
        "decimal": 1.5, "id": UUID_TEXT, "enum": "red", "bytes": "ab", "day": "2024-01-02",
        "record": {"amount": 2.0, "currency": "EUR"}, "queue": [1], "frozen": [2], "nan": None,
    }  # fmt: skip


def test_a_value_that_cannot_travel_costs_itself_and_is_named() -> None:
    circle: list[Any] = []
    circle.append(circle)
    found, complaints = built({"fine": 1, "function": len, "circle": circle})
    assert found["properties"]["fine"] == 1
    assert "function" not in found["properties"]
    assert [text.split()[0] for text in complaints] == ["properties.function", "properties.circle" + "[]" * 21]


def test_the_caller_goes_before_the_context_and_what_is_ours_before_both() -> None:
    found, _ = built({"a": "caller", "$lib": "mine"}, context={"a": "context", "b": 1}, only_ours={"$session_id": "s"})
    assert found["properties"]["a"] == "caller"
    assert found["properties"]["b"] == 1
    assert found["properties"]["$session_id"] == "s"
    assert found["properties"]["$lib"] == "beknown-python"


def test_person_properties_stand_at_the_top() -> None:
    assert built(top={"$set": {"n": Decimal(1)}})[0]["$set"] == {"n": 1.0}


@pytest.mark.parametrize("missing", [None, "", " \n"])
def test_a_missing_id_is_refused_in_words_that_quote_the_ladder(missing: str | None) -> None:
    with pytest.raises(BadId, match=r"4\. a new id for every event") as refusal:
        record.whose(missing, "capture()")
    assert "identify_context" in str(refusal.value)


@pytest.mark.parametrize("junk", ['""', "null", "undefined", "anonymous", True, {}, 0, "x" * 201])
def test_an_id_that_many_would_share_is_refused(junk: Any) -> None:
    with pytest.raises(BadId):
        record.whose(junk, "capture()")


def test_numbers_and_uuids_are_ids() -> None:
    assert record.whose(4711, "capture()") == "4711"
    assert record.whose(UUID(UUID_TEXT), "capture()") == UUID_TEXT


def test_a_time_without_zone_is_utc() -> None:
    assert record.moment(datetime(2024, 1, 1), 0) == record.moment(datetime(2024, 1, 1, tzinfo=UTC), 0)
    east = datetime(2024, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))
    assert record.moment(east, 0) == 1_704_067_200_000
    with pytest.raises(BadCall, match="datetime"):
        record.moment("yesterday", 0)  # type: ignore[arg-type]


def test_a_uuid_that_is_none_and_a_name_that_is_none_are_refused() -> None:
    with pytest.raises(BadCall, match="uuid"):
        record.checked_uuid("4711")
    for name in ("", "  ", "\ufeff", None, 7):
        with pytest.raises(BadCall, match="name"):
            record.named(name)
    assert len(record.named("x" * 500)) == 200


def test_an_event_is_refused_if_no_collector_takes_its_size_or_before_send_spoilt_it() -> None:
    with pytest.raises(NotSent, match="bytes"):
        record.encoded({"event": "x", "text": "x" * record.MAX_BYTES})
    with pytest.raises(BadValue, match="before_send"):
        record.encoded({"event": "x", "value": {1, 2}})
    assert json.loads(record.encoded({"event": "é"})) == {"event": "é"}
