"""Each math of posthog-server §7.2, with answers worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
from beknown_server.insights import trends, unique

from .conftest import History

WEEK = {"date_from": "2026-11-02", "date_to": "2026-11-04"}


def data(history: History, **body: Any) -> Any:
    """Give the numbers of the only series."""
    found = history.ask(trends, {**WEEK, **body})["series"]
    assert len(found) == 1
    return found[0]["data"]


@pytest.fixture
def visits(history: History) -> History:
    """Ann on Monday (twice) and Wednesday, Bob on Monday; on Tuesday an anonymous visitor who is Ann."""
    history.happens("view", "ann", "2026-11-02 09:00", "2026-11-02 10:00", session="s1", amount=10)
    history.happens("view", "bob", "2026-11-02 23:59:59.999", session="s2", amount=4, plan="pro")
    history.happens("view", "anon", "2026-11-03 00:00", session="s3", amount="7.5", plan="free")
    history.happens("view", "ann", "2026-11-04 12:00", session="s4", amount="none")
    history.happens("buy", "ann", "2026-11-04 12:01", session="s4", amount=30)
    return history


def test_total_counts_events_and_an_empty_day_is_zero(visits: History) -> None:
    assert data(visits, event="view") == [3, 1, 1]
    assert data(visits, event="buy") == [0, 0, 1]
    assert data(visits) == [3, 1, 2]
    assert visits.ask(trends, {**WEEK, "event": "view"})["labels"] == ["2026-11-02", "2026-11-03", "2026-11-04"]


def test_dau_counts_persons(visits: History) -> None:
    assert data(visits, event="view", math="dau") == [2, 1, 1]
    assert visits.ask(unique, WEEK) == 3


def test_a_merge_changes_yesterdays_numbers(visits: History) -> None:
    assert visits.ask(unique, WEEK) == 3
    visits.happens("$identify", "ann", "2026-11-05", anon="anon")
    assert visits.ask(unique, WEEK) == 2
    assert data(visits, event="view", math="dau", date_to="2026-11-03", interval="week") == [2]


def test_an_event_about_nobody_is_an_event_but_no_person(visits: History) -> None:
    visits.happens("view", "group-7", "2026-11-02 12:00", personal=False)
    assert data(visits, event="view") == [4, 1, 1]
    assert data(visits, event="view", math="dau") == [2, 1, 1]
