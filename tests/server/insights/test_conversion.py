"""A funnel along time (posthog-server §7.3, trends of a funnel), with answers worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
from beknown_server.conversion import conversion
from beknown_server.errors import Unusable

from .conftest import History
from .test_funnel import A, B, C, X, walks

DAYS = {"date_from": "2026-11-02", "date_to": "2026-11-04"}


def trend(history: History, *steps: dict[str, Any], **more: Any) -> dict[str, list[Any]]:
    answer = history.ask(conversion, {**DAYS, "steps": list(steps), **more})
    return {one["label"]: one["data"] for one in answer["series"]}


def test_a_person_enters_once_per_interval_and_converts_from_that_entry(history: History) -> None:
    walks(history, "ann", "A0 A1 B2 C3", day=2)
    walks(history, "bob", "A0", day=2)
    walks(history, "bob", "A5", day=3)
    walks(history, "bob", "B6 C7", day=4)
    found = trend(history, A, B, C)
    assert found["entered"] == [2, 1, 0]
    assert found["converted"] == [2, 1, 0]  # Bob's later steps end both of his entries
    assert found["share"] == [1, 1, None]
    assert trend(history, A, B, C, interval="month")["entered"] == [2]


def test_the_window_counts_from_the_entry(history: History) -> None:
    walks(history, "ann", "A0", day=2)
    walks(history, "ann", "A0 B30", day=3)
    assert trend(history, A, B, window_days=1)["converted"] == [0, 1, 0]
    assert trend(history, A, B, window_days=2)["converted"] == [1, 1, 0]


def test_an_earlier_entry_converts_though_a_later_one_was_nearer_to_a_step(history: History) -> None:
    walks(history, "ann", "A0 B1", day=2)
    walks(history, "ann", "A0", day=3)
    walks(history, "ann", "C0", day=4)
    assert trend(history, A, B, C)["converted"] == [1, 0, 0]


def test_strict_along_time(history: History) -> None:
    walks(history, "ann", "A0 X1 B2", day=2)
    walks(history, "ann", "A0 B1", day=3)
    assert trend(history, A, B, order="strict")["converted"] == [0, 1, 0]


@pytest.mark.parametrize(
    "more", [{"order": "unordered"}, {"exclusions": [X]}, {"breakdown": "plan"}, {"interval": "hour"}, {"steps": [A]}]
)
def test_what_has_no_meaning_along_time_is_refused(history: History, more: dict[str, Any]) -> None:
    with pytest.raises(Unusable):
        history.ask(conversion, {**DAYS, "steps": [A, B], **more})
