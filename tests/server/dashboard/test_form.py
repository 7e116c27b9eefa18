"""The form of /insights: a shared address means one question, and a mangled one still means something."""

from __future__ import annotations

from datetime import date
from typing import Any
from urllib.parse import urlencode

import pytest
from beknown_server import choices, form
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

TODAY = date(2026, 11, 24)
WORDS = st.sampled_from(
    [
        *choices.KINDS,
        *choices.MATHS,
        *choices.RANGES,
        *choices.INTERVALS,
        *choices.ORDERS,
        *choices.RETENTIONS,
        *choices.OPERATORS,
        *choices.MODES["retention"],
        *choices.ATTRIBUTIONS,
    ]
) | st.sampled_from(["custom", "person", "event", "*", "$pageview", "2026-11-01", "2026-02-30", "14", "-1", "", "é\0"])
NAMES = st.sampled_from(
    "kind event span first last math of interval breakdown subject window order returning period periods retention "
    "subject_is key operator value formula without attribution mode steps where1 where1_value "
    "where2 where2_is where2_operator where2_value where3 where3_is unknown".split()
)


def read(*pairs: tuple[str, str]) -> form.Form:
    return form.read(MultiDict(pairs), today=TODAY)


def body(*pairs: tuple[str, str]) -> dict[str, Any]:
    return read(*pairs).body(TODAY)


@given(st.lists(st.tuples(NAMES, WORDS | st.text(max_size=8)), max_size=20))
def test_any_address_reads_as_a_form_whose_own_address_reads_as_the_same(pairs: list[tuple[str, str]]) -> None:
    asked = read(*pairs)
    again = read(*asked.query())
    assert again.query() == asked.query()
    assert again.body(TODAY) == asked.body(TODAY)
    urlencode(asked.query())


def test_nothing_asked_is_unique_people_of_the_last_30_days() -> None:
    assert body() == {
        "event": None, "filters": [], "math": "dau", "interval": "day",
        "date_from": "2026-10-26", "date_to": "2026-11-24",
    }  # fmt: skip
    assert read().query() == [("kind", "trends")]


def test_several_events_are_several_series() -> None:
    asked = body(("event", "a"), ("event", ""), ("event", "*"), ("math", "total"))
    assert [(one["event"], one["math"]) for one in asked["series"]] == [("a", "total"), (None, "total")]


def test_steps_carry_the_filters() -> None:
    pairs = [("kind", "funnel"), ("event", "a"), ("event", "b"), ("window", "3"), ("order", "strict")]
    condition = [("subject_is", "person"), ("key", "plan"), ("operator", "exact"), ("value", "pro")]
    asked = body(*pairs, *condition)
    wanted = [{"key": "plan", "operator": "exact", "type": "person", "value": "pro"}]
    assert asked["steps"] == [{"event": "a", "filters": wanted}, {"event": "b", "filters": wanted}]
    assert (asked["window_days"], asked["order"]) == (3, "strict")


PRICING = [("where1", "$pathname"), ("where1_value", "/pricing")]


@pytest.mark.parametrize("kind", ["funnel", "trends"])
def test_a_step_or_a_series_has_a_condition_of_its_own_besides_the_common_ones(kind: str) -> None:
    events = [("kind", kind), ("event", "$pageview"), ("event", "a"), ("event", "b")]
    common = [("subject_is", "event"), ("key", "plan"), ("operator", "exact"), ("value", "pro")]
    last = [("where3_is", "person"), ("where3", "age"), ("where3_operator", "gt"), ("where3_value", "17")]
    asked = read(*events, *PRICING, *common, *last)
    found = asked.body(TODAY)["steps" if kind == "funnel" else "series"]
    plan = {"key": "plan", "operator": "exact", "type": "event", "value": "pro"}
    pricing = {"key": "$pathname", "operator": "exact", "type": "event", "value": "/pricing"}
    age = {"key": "age", "operator": "gt", "type": "person", "value": 17.0}
    assert [one["filters"] for one in found] == [[plan, pricing], [plan], [plan, age]]
    assert [pair for pair in asked.query() if pair[0].startswith("where")] == [*PRICING, *last]


def test_a_step_that_is_taken_away_takes_its_condition_along_and_the_others_keep_theirs() -> None:
    steps = [("kind", "funnel"), ("event", ""), ("event", "a"), ("event", "b")]
    asked = read(*steps, *PRICING, ("where3", "plan"), ("where3_operator", "is_set"))
    assert [(one.event, one.where and one.where.words) for one in asked.series] == [("a", None), ("b", "plan is set")]
    assert asked.query()[-2:] == [("where2", "plan"), ("where2_operator", "is_set")]


def test_a_condition_of_its_own_stays_with_the_kinds_that_have_some() -> None:
    assert read(("kind", "retention"), *PRICING).query() == [("kind", "retention")]
    assert read(("kind", "funnel"), *PRICING).query(kind="trends") == [("kind", "trends")]
    half = read(("where1", " "), ("where1_value", "x"), ("where2", "plan"), ("where1_operator", "no such"))
    assert half.query() == [("kind", "trends")]


def test_retention_begins_as_many_periods_ago_as_it_shows() -> None:
    asked = body(("kind", "retention"), ("period", "week"), ("periods", "8"), ("retention", "recurring"))
    assert asked["date_from"] == "2026-10-06"
    assert (asked["period"], asked["periods"], asked["kind"]) == ("week", 8, "recurring")
    months = read(("kind", "retention"), ("period", "month"), ("periods", "8"))
    assert months.body(date(2026, 11, 2))["date_from"] == "2026-04-01"  # April to November, this month among them


@pytest.mark.parametrize(
    ("given_days", "meant"),
    [
        (("2026-11-03", "2026-11-01"), ("2026-11-01", "2026-11-03")),
        (("", "2026-11-30"), ("2026-11-01", "2026-11-30")),
        (("x", "0001-01-01"), ("2026-10-26", "2026-11-24")),
    ],
)
def test_days_that_were_chosen_are_put_in_order_and_completed(given_days: Any, meant: Any) -> None:
    asked = body(("span", "custom"), ("first", given_days[0]), ("last", given_days[1]))
    assert (asked["date_from"], asked["date_to"]) == meant


def test_a_condition_without_a_property_waits_and_one_on_a_number_is_a_number() -> None:
    empty = [("subject_is", "event"), ("key", " "), ("operator", "exact"), ("value", "1")]
    over = [("subject_is", "event"), ("key", "amount"), ("operator", "gt"), ("value", "39")]
    assert body(*empty, *over)["filters"] == [{"key": "amount", "operator": "gt", "type": "event", "value": 39.0}]


def test_trailing_days_are_not_asked_for_by_the_hour() -> None:
    assert body(("math", "wau"), ("interval", "hour"))["interval"] == "day"


def test_each_series_has_a_math_of_its_own_and_a_missing_one_is_the_one_before() -> None:
    rows = [("event", "Paid"), ("math", "sum"), ("of", "amount"), ("event", ""), ("math", "p90"), ("of", "")]
    asked = read(*rows, ("event", "$pageview"), ("math", "dau"), ("formula", "A / B"))
    assert asked.body(TODAY)["formula"] == "A / B"
    series = [{k: v for k, v in one.items() if k != "filters"} for one in asked.body(TODAY)["series"]]
    assert series == [
        {"event": "Paid", "math": "sum", "property": "amount"},
        {"event": "$pageview", "math": "dau"},
    ]
    same = read(("event", "a"), ("event", "b"), ("math", "total"))
    assert [one.math for one in same.series] == ["total", "total"]
    assert same.query() == [("kind", "trends"), ("event", "a"), ("event", "b"), ("math", "total")]


def test_a_funnel_says_what_must_not_come_between_and_whose_value_counts() -> None:
    asked = body(("kind", "funnel"), ("event", "a"), ("event", "b"), ("without", "c"), ("breakdown", "plan"))
    assert (asked["exclusions"], asked["attribution"]) == ([{"event": "c"}], "first_touch")


def test_stickiness_and_paths_ask_what_the_api_is_asked() -> None:
    sticky = body(("kind", "stickiness"), ("event", "a"), ("mode", "more"), ("interval", "week"))
    assert (sticky["event"], sticky["mode"], sticky["interval"]) == ("a", "or_more", "week")
    assert body(("kind", "paths"), ("steps", "5"))["steps"] == 5
