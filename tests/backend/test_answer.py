"""What an answer says, whoever wrote it: read as far as it can be, and its status always."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from beknown.answer import Answer, answer_of, retry_after
from hypothesis import given
from hypothesis import strategies as any_of

ANYTHING = any_of.recursive(
    any_of.none() | any_of.booleans() | any_of.integers() | any_of.floats(allow_nan=False) | any_of.text(),
    lambda inner: any_of.lists(inner) | any_of.dictionaries(any_of.sampled_from(["index", "reason", "detail"]), inner),
)


@given(detail=ANYTHING, skipped=ANYTHING, entry=ANYTHING)
def test_any_json_is_understood_as_far_as_it_can_be(detail: Any, skipped: Any, entry: Any) -> None:
    for places in (skipped, [{"index": entry, "reason": entry}]):
        answer = answer_of(httpx.Response(200, content=json.dumps({"detail": detail, "skipped": places})))
        assert answer.status == 200
        assert all(isinstance(place, int) and place >= -1 for place, _ in answer.skipped)


@pytest.mark.parametrize("content", [b"[" * 200_000, b'{"a":' * 200_000, b"\xff\xfe", b"9" * 10_000, b""])
def test_what_no_parser_takes_leaves_the_status(content: bytes) -> None:
    assert answer_of(httpx.Response(200, content=content)) == Answer(200)


def test_retry_after_is_seconds_or_a_date() -> None:
    now = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
    assert retry_after("7", now) == 7000
    assert retry_after("Mon, 23 Nov 2026 12:00:30 GMT", now) == 30_000
    assert [retry_after(text, now) for text in ("", "soon", "-1", "Mon, 23 Nov 2026 11:00:00 GMT")] == [0, 0, 0, 0]
    odd = (
        "\u00b2",
        "9" * 5000,
        "1e3",
        "\0",
        "Mon, 23 Nov 2026 12:00:30 +99999999999",
        "Mon, 23 Nov 99999 12:00:30 GMT",
    )
    assert [retry_after(text, now) for text in odd] == [0] * len(odd)
    assert retry_after("9" * 40, now) > 1e40


def test_an_answer_that_is_not_json_is_an_answer_all_the_same() -> None:
    assert answer_of(httpx.Response(502, text="<html>bad gateway")).detail == "<html>bad gateway"
    assert answer_of(httpx.Response(200, text="[1]")).status == 200
    assert answer_of(httpx.Response(200, json={"skipped": "what?"})).skipped == ()
