"""How things are written for a person."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from beknown_server import display


@dataclass
class Happened:
    event: str
    distinct_id: str
    properties: dict[str, Any] = field(default_factory=dict)


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Ada Lovelace", "AL"),
        ("ada@example.com", "A"),
        ("ada.lovelace@example.com", "AL"),
        ("Åsa", "Å"),
        ("  ", "?"),
        ("", "?"),
        ("@", "@"),
    ],
)
def test_initials_stand_for_any_name(name: str, letters: str) -> None:
    assert display.initials(name) == letters


def test_a_person_keeps_one_of_the_ten_colours() -> None:
    hues = {display.hue(f"person {number}") for number in range(300)}
    assert hues == set(range(display.HUES))
    assert display.hue("ada") == display.hue("ada")


def test_an_identify_with_an_anonymous_id_says_who_it_was() -> None:
    assert display.became(Happened("$identify", "ada", {"$anon_distinct_id": "anon-1"})) == "anon-1"


@pytest.mark.parametrize(
    "row",
    [
        Happened("$identify", "ada"),
        Happened("$identify", "ada", {"$anon_distinct_id": "ada"}),
        Happened("$identify", "ada", {"$anon_distinct_id": 7}),
        Happened("$pageview", "ada", {"$anon_distinct_id": "anon-1"}),
    ],
)
def test_other_events_make_nobody_known(row: Happened) -> None:
    assert display.became(row) is None


@pytest.mark.parametrize(
    ("properties", "place"),
    [
        ({"$pathname": "/pricing", "$current_url": "https://a.example/other"}, "/pricing"),
        ({"$current_url": "https://a.example/other?x=1#y"}, "/other"),
        ({"$current_url": "https://a.example"}, "/"),
        ({"$current_url": "http://[broken"}, "http://[broken"),
        ({"$current_url": 3, "$pathname": None}, ""),
        ({"$screen_name": "Home"}, "Home"),
        ({}, ""),
    ],
)
def test_a_place_is_the_path_of_the_page(properties: dict[str, Any], place: str) -> None:
    assert display.place(properties) == place


def test_the_sites_own_properties_come_before_those_of_every_event() -> None:
    names = [name for name, _ in display.own_first({"$lib": 1, "plan": 2, "$host": 3, "amount": 4})]
    assert names == ["amount", "plan", "$host", "$lib"]


def test_a_value_is_written_as_json_and_cut() -> None:
    assert display.written({"a": [1, None, "ä"]}) == '{"a": [1, null, "ä"]}'
    assert display.written("plain") == "plain"
    assert len(display.written("x" * 5000)) == display.MAX_WRITTEN + 1


def test_times_are_utc_and_an_impossible_one_is_no_error() -> None:
    assert display.clock(1_763_939_109_250) == "23:05:09"
    assert display.day_and_clock(1_763_939_109_250) == "23 Nov, 23:05 UTC"
    assert display.clock(10**18) == "00:00:00"


@pytest.mark.parametrize(("ms", "text"), [(900, "0 s"), (59_999, "59 s"), (60_000, "1 min"), (7_200_000, "2 h")])
def test_a_duration_is_in_its_largest_unit(ms: int, text: str) -> None:
    assert display.duration(ms) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0"), (999, "999"), (12_345, "12k"), (3_000_000, "3M")])
def test_a_badge_holds_a_short_count(count: int, text: str) -> None:
    assert display.short(count) == text


def test_every_rule_of_identity_has_words() -> None:
    from beknown_server import identity

    for rule in (*identity.REFUSED, identity.CLAIM, identity.ALIAS, identity.FORCED, "already_linked"):
        assert rule in display.REASONS
