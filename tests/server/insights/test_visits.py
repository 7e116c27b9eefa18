"""Sessions (posthog-server §7.7), with answers worked out by hand."""

from __future__ import annotations

from typing import Any

from beknown_server.visits import visits

from .conftest import History

DAYS = {"date_from": "2026-11-02", "date_to": "2026-11-03"}


def view(history: History, who: str, session: str, at: str, page: str, **more: Any) -> None:
    history.happens("$pageview", who, at, session=session, **{"$pathname": page, **more})


def test_length_entry_exit_bounce_and_source(history: History) -> None:
    view(history, "ann", "s1", "2026-11-02 10:00", "/", **{"$utm_source": "mail", "$referring_domain": "x.example"})
    view(history, "ann", "s1", "2026-11-02 10:01", "/a")
    history.happens("buy", "ann", "2026-11-02 10:02", session="s1")
    view(history, "bob", "s2", "2026-11-02 11:00", "/", **{"$referring_domain": "x.example"})
    view(history, "bob", "s3", "2026-11-03 11:00", "/", **{"$referring_domain": "$direct"})
    history.happens("$autocapture", "bob", "2026-11-03 11:00:01", session="s3")
    view(history, "cleo", "s4", "2026-11-03 12:00", "/b")
    history.happens("buy", "cleo", "2026-11-03 12:00:10", session="s4")  # ten seconds are no bounce any more
    history.happens("buy", "cleo", "2026-11-03 13:00")  # of no session
    found = history.ask(visits, DAYS)
    assert (found["sessions"], found["persons"]) == (4, 3)
    assert found["bounce_rate"] == 1 / 4  # Bob's first
    assert found["average_seconds"] == (120 + 0 + 1 + 10) / 4
    assert found["median_seconds"] == 5.5
    assert found["views_per_session"] == 5 / 4
    assert found["entries"] == [
        {"value": "/", "sessions": 3, "bounced": 1},
        {"value": "/b", "sessions": 1, "bounced": 0},
    ]
    assert [(one["value"], one["sessions"]) for one in found["exits"]] == [("/", 2), ("/a", 1), ("/b", 1)]
    assert [(one["value"], one["sessions"]) for one in found["sources"]] == [(None, 2), ("mail", 1), ("x.example", 1)]


def test_a_session_is_in_the_days_it_began_in_and_whole(history: History) -> None:
    view(history, "ann", "s1", "2026-11-01 23:59", "/")
    view(history, "ann", "s1", "2026-11-02 00:01", "/a")
    view(history, "bob", "s2", "2026-11-03 23:59", "/")
    view(history, "bob", "s2", "2026-11-04 00:01", "/a")
    found = history.ask(visits, DAYS)
    assert (found["sessions"], found["average_seconds"]) == (1, 120)


def test_identify_in_the_middle_does_not_end_a_session(history: History) -> None:
    view(history, "anon", "s1", "2026-11-02 10:00", "/")
    history.happens("$identify", "ann", "2026-11-02 10:01", anon="anon", session="s1")
    view(history, "ann", "s1", "2026-11-02 10:02", "/a")
    found = history.ask(visits, DAYS)
    assert (found["sessions"], found["persons"], found["average_seconds"]) == (1, 1, 120)


def test_a_session_of_two_persons_is_that_of_the_one_who_began_it(history: History) -> None:
    view(history, "bob", "s1", "2026-11-02 10:01", "/a")
    view(history, "ann", "s1", "2026-11-02 10:00", "/")  # arrives later
    view(history, "ann", "s2", "2026-11-02 12:00", "/")
    assert history.ask(visits, DAYS)["persons"] == 1


def test_no_sessions(history: History) -> None:
    found = history.ask(visits, DAYS)
    assert found["sessions"] == 0
    assert found["bounce_rate"] is None
    assert found["entries"] == []
