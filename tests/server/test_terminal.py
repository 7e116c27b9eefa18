"""`beknown report`: everything that the report says, in lines that fit a terminal."""

from __future__ import annotations

from typing import Any

from beknown_server.terminal import printed

LADDER = {"1": 0.5, "2": 0.25, "3": 0.2, "4": 0.05}
NOBODY = dict.fromkeys(LADDER, 0.0)
REPORT: dict[str, Any] = {
    "ladder": LADDER,
    "unique_users": {"persons": 1200, "low": 1000, "high": 1300},
    "loss": {"sent": 1000, "received": 990, "share": 0.01},
    "weeks": [
        {"start": "2026-11-01", "ladder": NOBODY},
        {"start": "2026-11-08", "ladder": {"1": 0.4, "2": 0.3, "3": 0.2, "4": 0.1}},
        {"start": "2026-11-15", "ladder": LADDER},
    ],
    "findings": [
        {
            "code": "junk_id",
            "severity": "high",
            "count": 37,
            "examples": [{"person_id": "p", "name": "Visitor 1a2b", "is_identified": False}],
            "effect": "none: refused; these visitors stay anonymous",
            "fix": "Pass the user's id.",
        }
    ],
}


def test_it_says_all_of_the_report() -> None:
    text = printed(REPORT)
    for words in (
        "50.0%",
        "1,200",
        "1,000",
        "1,300",
        "10 of 1,000",
        "junk_id",
        "37",
        "Visitor 1a2b",
        "effect on unique users: none: refused; these visitors stay anonymous",
        "Pass the user's id",
    ):
        assert words in text
    assert max(map(len, text.splitlines())) <= 100


def test_weeks_are_told_so_that_a_team_sees_itself_climb_and_empty_ones_are_not() -> None:
    lines = printed(REPORT).splitlines()
    assert [line.split() for line in lines if line.startswith("  2026")] == [
        ["2026-11-08", "40.0%", "30.0%", "20.0%", "10.0%"],
        ["2026-11-15", "50.0%", "25.0%", "20.0%", "5.0%"],
    ]
    assert "Week by week" not in printed(REPORT | {"weeks": REPORT["weeks"][:2]})
