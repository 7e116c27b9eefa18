"""Each math of posthog-server §7.2, with answers worked out by hand."""

from __future__ import annotations

import itertools
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from beknown_server.errors import Unusable
from beknown_server.insights import trends, unique, zone_of
from beknown_server.spans import Zone
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from .conftest import History

_numbers = itertools.count()
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


def test_sessions(visits: History) -> None:
    assert data(visits, math="sessions") == [2, 1, 1]


@pytest.mark.parametrize(
    ("math", "wanted"),
    [
        ("sum", [24, 7.5, None]),  # 10 + 10 + 4; text that reads as a number; "none" is no number
        ("avg", [8, 7.5, None]),
        ("min", [4, 7.5, None]),
        ("max", [10, 7.5, None]),
        ("median", [10, 7.5, None]),
        ("p75", [10, 7.5, None]),
        ("avg_per_person", [1.5, 1, 1]),  # Ann twice, Bob once
        ("max_per_person", [2, 1, 1]),
    ],
)
def test_a_property_and_counts_per_person(visits: History, math: str, wanted: list[float | None]) -> None:
    assert data(visits, event="view", math=math, property="amount") == wanted


@pytest.mark.parametrize(
    ("math", "wanted"),
    [
        ("min", 1),
        ("avg", 4),
        ("median", 2.5),
        ("p75", 4.75),  # of 1, 2, 3, 10: a quarter of the way from 3 to 10; the nearest ones would be 3 or 10
        ("p90", 7.9),
        ("p95", 8.95),
        ("p99", 9.79),
        ("max", 10),
    ],
)
def test_between_two_values_a_percentile_lies_in_proportion(history: History, math: str, wanted: float) -> None:
    for who, number in (("ann", 3), ("bob", 10), ("cleo", 1), ("dan", 2)):
        history.happens("pay", "somebody", "2026-11-02", amount=number)
        history.happens("view", who, *["2026-11-03"] * number)
    assert data(history, event="pay", math=math, property="amount") == [pytest.approx(wanted), None, None]
    assert data(history, event="view", math=f"{math}_per_person") == [None, pytest.approx(wanted), None]


def test_infinity_and_nan_are_no_numbers(history: History) -> None:
    for value in ("inf", "nan", "Infinity", True, None, [1], 2):
        history.happens("pay", "ann", "2026-11-02", amount=value)
    assert data(history, math="sum", property="amount") == [2, None, None]


@pytest.mark.parametrize("math", ["sum", "avg"])
def test_a_sum_that_is_no_number_any_more_is_missing(history: History, math: str) -> None:
    history.happens("pay", "ann", "2026-11-02", "2026-11-02", amount=1e308)
    history.happens("pay", "ann", "2026-11-03", amount=1)
    assert data(history, math=math, property="amount") == [None, 1, None]
    assert data(history, math="max", property="amount", display="cumulative") == [1e308, 1e308, 1e308]
    history.happens("pay", "ann", "2026-11-04", amount=1e308)
    assert data(history, math="max", property="amount", display="cumulative") == [1e308, 1e308, None]


def test_a_formula_gives_numbers_that_can_be_written_or_none(history: History) -> None:
    history.happens("pay", "ann", "2026-11-02")
    week = {"series": [{"event": "pay"}], "date_to": "2026-11-02"}
    assert data(history, **week, formula="A*999999999999999*999999999999999") == [pytest.approx(1e30)]
    assert data(history, **week, formula="A*9223372036854") == [9223372036854]
    assert data(history, **week, formula="A*1e14" + "*1e14" * 30) == [None]
    assert data(history, **week, formula="1/(A*1e14" + "*1e14" * 30 + ")") == [None]


@pytest.mark.parametrize("stored", [100, 1.5e-7, 1e21, 1e16, 0.1, -0.0, 12345678901234567890, "1.50", True])
def test_a_number_finds_itself_however_it_is_written(history: History, stored: Any) -> None:
    history.happens("n", "ann", "2026-11-02", v=stored)
    history.happens("n", "ann", "2026-11-03", v="1.5")
    history.happens("n", "ann", "2026-11-03", v="")

    def found(operator: str, value: Any) -> Any:
        return data(history, filters=[{"key": "v", "operator": operator, "value": value}])

    assert found("exact", stored) == [1, 0, 0]
    assert found("exact", ["x", stored]) == [1, 0, 0]
    assert found("is_not", stored) == [0, 2, 0]
    if stored == 100:
        assert found("exact", 100.0) == [1, 0, 0]
    if stored == "1.50":  # a text is another than a text that is the same number
        assert found("exact", 1.5) == [1, 1, 0]
        assert found("exact", "1.5") == [0, 1, 0]


def test_wau_and_mau_count_calendar_days_that_end_with_the_day(history: History) -> None:
    history.happens("view", "ann", "2026-10-27 00:00")
    history.happens("view", "bob", "2026-10-04 23:59")
    assert data(history, math="wau") == [1, 0, 0]
    assert data(history, math="mau") == [2, 1, 1]  # the 4th of October to the 2nd of November are 30 days


@given(st.sets(st.tuples(st.sampled_from("abc"), st.integers(-31, 250)), max_size=12))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example({("a", day) for day in (-30, -29, -7, -6, 66, 95, 96, 97, 102, 191, 192, 249)})
def test_wau_and_mau_of_many_months_are_what_they_are_day_by_day(history: History, active: Any) -> None:
    name, first = f"view {next(_numbers)}", date(2026, 2, 1)  # an event of its own for each example
    for who, day in active:
        history.happens(name, who, f"{first + timedelta(days=day)} 12:00")
    days = [first + timedelta(days=number) for number in range(250)]
    for math, length in (("wau", 7), ("mau", 30)):
        windows = [{who for who, day in active if number - length < day <= number} for number in range(250)]
        found = data(history, math=math, event=name, date_from=str(days[0]), date_to=str(days[-1]))
        assert found == [len(each) for each in windows]


def test_first_time_is_the_earliest_ever(visits: History) -> None:
    visits.happens("view", "bob", "2026-10-01")
    assert data(visits, event="view", math="first_time") == [1, 1, 0]
    pro = [{"key": "plan", "value": ["pro", "free"]}]
    assert data(visits, event="view", math="first_time", filters=pro) == [0, 1, 0]
    assert data(visits, event="view", math="first_time_matching", filters=pro) == [1, 1, 0]


def test_a_total_value_is_distinct_over_the_whole_range(visits: History) -> None:
    assert data(visits, event="view", math="dau", display="total") == [3]
    assert data(visits, event="view", display="total") == [5]


def test_wau_and_mau_in_total_end_with_the_last_day_of_the_range(history: History) -> None:
    history.happens("view", "ann", "2026-10-28")
    history.happens("view", "bob", "2026-10-29")
    history.happens("view", "cleo", "2026-10-05")
    asked = {"date_from": "2026-10-20", "date_to": "2026-11-03", "display": "total"}
    assert data(history, math="wau", **asked) == [2]
    asked["date_to"] = "2026-11-04"
    assert data(history, math="wau", **asked) == [1]
    assert data(history, math="mau", **{**asked, "date_to": "2026-11-03"}) == [3]


def test_cumulative_sums_the_intervals_also_of_persons(visits: History) -> None:
    assert data(visits, event="view", display="cumulative") == [3, 4, 5]
    assert data(visits, event="view", math="dau", display="cumulative") == [2, 3, 4]  # a sum, as upstream's
    assert data(visits, event="view", math="max", property="amount", display="cumulative") == [10, 17.5, 17.5]


def test_groups_of_a_type_and_an_empty_key_is_no_group(history: History) -> None:
    for key in ("acme", "acme", "umbrella", ""):
        history.happens("view", "ann", "2026-11-02", **{"$groups": {"company": key, "team": "red"}})
    history.happens("view", "ann", "2026-11-03")
    assert data(history, math="groups", group="company") == [2, 0, 0]
    assert data(history, math="groups", group="team") == [1, 0, 0]


def test_a_breakdown_has_a_series_per_value_the_rest_and_none(visits: History) -> None:
    def series(**body: Any) -> dict[str, list[int]]:
        found = visits.ask(trends, {**WEEK, "event": "view", "breakdown": "plan", **body})["series"]
        return {one["label"]: one["data"] for one in found}

    assert series() == {"free": [0, 1, 0], "pro": [1, 0, 0], "None": [2, 0, 1]}
    assert series(math="dau") == {"free": [0, 1, 0], "pro": [1, 0, 0], "None": [1, 0, 1]}
    for number in range(30):
        visits.happens("view", "bob", "2026-11-02", "2026-11-02", plan=f"plan {number:02d}")
    found = series()
    assert len(found) == 27
    assert found["Other"] == [11, 1, 0]  # 5 of the 30 plans, free and pro
    assert sum(map(sum, found.values())) == 65


@pytest.mark.parametrize("math", ["total", "dau"])
def test_none_is_a_series_of_its_own_however_rare(history: History, math: str) -> None:
    for number in range(30):
        history.happens("buy", f"u{number}", "2026-11-02", "2026-11-02", plan=f"plan {number:02d}")
    history.happens("buy", "somebody", "2026-11-03")
    found = history.ask(trends, {**WEEK, "event": "buy", "breakdown": "plan", "math": math})["series"]
    each = 2 if math == "total" else 1
    assert [one["data"] for one in found] == [[each, 0, 0]] * 25 + [[5 * each, 0, 0], [0, 1, 0]]
    assert [one["label"] for one in found[-2:]] == ["Other", "None"]


def test_a_breakdown_by_a_persons_property_as_it_is_now(visits: History) -> None:
    visits.happens("$set", "ann", "2026-11-08", set_={"plan": "gold"})
    asked = {**WEEK, "event": "view", "breakdown": "plan", "breakdown_type": "person"}
    found = {one["label"]: one["data"] for one in visits.ask(trends, asked)["series"]}
    assert found == {"gold": [2, 0, 1], "None": [1, 1, 0]}


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        ({"value": "pro"}, [1, 0, 0]),
        ({"value": ["pro", "free"]}, [1, 1, 0]),
        ({"operator": "is_not", "value": "pro"}, [2, 1, 1]),
        ({"operator": "icontains", "value": "RE"}, [0, 1, 0]),
        ({"operator": "not_icontains", "value": "RE"}, [3, 0, 1]),
        ({"operator": "regex", "value": "^p.o$"}, [1, 0, 0]),
        ({"operator": "not_regex", "value": "^p.o$"}, [2, 1, 1]),
        ({"operator": "is_set"}, [1, 1, 0]),
        ({"operator": "is_not_set"}, [2, 0, 1]),
        ({"key": "amount", "operator": "gt", "value": 7.5}, [2, 0, 0]),
        ({"key": "amount", "operator": "gte", "value": 7.5}, [2, 1, 0]),
        ({"key": "amount", "operator": "lt", "value": 7.5}, [1, 0, 0]),
        ({"key": "amount", "operator": "lte", "value": 7.5}, [1, 1, 0]),
        ({"key": "amount", "value": 10}, [2, 0, 0]),
        ({"key": "a/b~c'\"", "operator": "is_set"}, [0, 0, 0]),
    ],
)
def test_each_filter(visits: History, condition: dict[str, Any], wanted: list[int]) -> None:
    assert data(visits, event="view", filters=[{"key": "plan", **condition}]) == wanted


def test_a_filter_on_a_person(visits: History) -> None:
    visits.happens("$set", "ann", "2026-11-08", set_={"plan": "gold"})
    assert data(visits, event="view", filters=[{"key": "plan", "value": "gold", "type": "person"}]) == [2, 0, 1]


def test_a_formula_is_computed_after_counting(visits: History) -> None:
    series = [{"event": "buy"}, {"event": "view", "math": "dau"}]
    assert data(visits, series=series, formula="A / B * 100") == [0, 0, 100]
    assert data(visits, series=series, formula="-(A + 1) / A") == [None, None, -2]


@pytest.mark.parametrize(
    "formula", ["", "A +", "A ** 2", "C", "__import__('os')", "A.real", "1e400", "(" * 300, "True"]
)
def test_what_is_no_formula_is_refused(history: History, formula: str) -> None:
    with pytest.raises(Unusable):
        history.ask(trends, {**WEEK, "series": [{}, {}], "formula": formula})


def test_days_begin_at_the_projects_midnight_and_the_clocks_change(history: History) -> None:
    history.zone = Zone(ZoneInfo("Europe/Berlin"), sunday=True)
    # On 25 October 2026 Berlin's day has 25 hours: from the 24th 22:00 to the 25th 23:00 in UTC.
    history.happens("view", "ann", "2026-10-24 21:59:59.999", "2026-10-24 22:00", "2026-10-25 22:59:59.999")
    history.happens("view", "ann", "2026-10-25 23:00", "2026-10-26 22:59:59.999", "2026-10-26 23:00")
    asked = {"date_from": "2026-10-24", "date_to": "2026-10-26"}
    assert history.ask(trends, asked)["series"][0]["data"] == [1, 2, 2]
    hours = history.ask(trends, {"date_from": "2026-10-25", "date_to": "2026-10-25", "interval": "hour"})
    assert len(hours["labels"]) == 25
    assert hours["labels"][2:4] == ["2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00"]
    assert hours["series"][0]["data"] == [1, *[0] * 23, 1]


def test_weeks_start_as_the_project_says_and_are_clipped_to_the_range(history: History) -> None:
    history.happens("view", "ann", "2026-10-31", "2026-11-01", "2026-11-02", "2026-11-08")  # Saturday to Monday, Sunday
    asked = {"date_from": "2026-11-01", "date_to": "2026-11-08", "interval": "week"}
    answer = history.ask(trends, asked)
    assert (answer["labels"], answer["series"][0]["data"]) == (["2026-10-26", "2026-11-02"], [1, 2])
    history.zone = Zone(ZoneInfo("UTC"), sunday=True)
    answer = history.ask(trends, asked)
    assert (answer["labels"], answer["series"][0]["data"]) == (["2026-11-01", "2026-11-08"], [2, 1])


def test_a_time_zone_that_is_none_is_said_and_not_guessed() -> None:
    assert zone_of({}).zone == ZoneInfo("UTC")
    assert not zone_of({"timezone": "Asia/Tokyo", "week_start": "monday"}).sunday
    for name in ("Mars/Olympus", "../etc/passwd", "/etc/localtime", 7):
        with pytest.raises(Unusable, match="no time zone"):
            zone_of({"timezone": name})


def test_months_have_their_own_lengths(history: History) -> None:
    history.happens("view", "ann", "2024-02-29 23:59:59.999", "2024-03-01", "2024-04-30 23:59:59.999")
    answer = history.ask(trends, {"date_from": "2024-01-15", "date_to": "2024-04-30", "interval": "month"})
    assert answer["labels"] == ["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"]
    assert answer["series"][0]["data"] == [0, 1, 1, 1]


@pytest.mark.parametrize(
    "body",
    [
        {"date_from": "2026-02-30"},
        {"date_from": "yesterday"},
        {"date_from": 20261101},
        {"date_from": "2026-11-05", "date_to": "2026-11-04"},
        {"date_from": "0001-01-01"},
        {"date_from": "1980-01-01", "interval": "hour"},
        {"interval": "minute"},
        {"math": "mode"},
        {"math": "sum"},
        {"math": "groups"},
        {"math": "wau", "interval": "hour"},
        {"event": ""},
        {"event": 7},
        {"filters": [{"key": "a", "operator": "like", "value": "b"}]},
        {"filters": [{"operator": "is_set"}]},
        {"filters": [{"key": "a", "operator": "gt", "value": "b"}]},
        {"filters": [{"key": "a", "operator": "gt"}]},
        {"filters": [{"key": "a", "value": {"b": 1}}]},
        {"filters": [{"key": "a", "operator": "regex", "value": "("}], "event": "view"},
        {"filters": [{}] * 21},
        {"series": [{}] * 11},
        {"breakdown": "plan", "formula": "A"},
        [],
        None,
    ],
)
def test_what_cannot_be_asked_is_refused_with_what_to_do(visits: History, body: Any) -> None:
    with pytest.raises(Unusable) as refused:
        visits.ask(trends, {**WEEK, **body} if isinstance(body, dict) else body)
    assert refused.value.fix
