"""Every definition of posthog-server §7, and the test whose answer was worked out by hand for it.

A deviation is named so; what is not here at all docs/numbers.md lists.

Beside these, on random histories and on both databases, a slow and obvious way (reference.py, reference_funnel.py) is
compared with the SQL for:

- test_reference.py, with merges: dau, wau, mau, unique users, lifecycle, stickiness, retention by day (recurring, first
  time), funnels in their three orders, the times of those that have an order, exclusions.
- test_reference_rich.py, with properties: every math of trends, in each display, broken down by a property of the
  event, of the person, or not, also where there are more values than series; every operator of a filter; a formula;
  weeks, days and stickiness where the clocks change; all kinds, modes, periods and means of retention; the ways between
  pages; all that is told of sessions.
- test_reference_funnel.py: whose value a breakdown counts (each attribution, of an event and of a person, with an
  exclusion, strict), a step that only some persons can do, how many people are behind each bar, a funnel along time.

Not compared, but worked out by hand alone: events about no person, hours and months of trends, breakdowns and equal
steps of an unordered funnel (test_funnel.py has random ones for the second), lifecycle by month, paths' persons.
"""

from __future__ import annotations

from importlib import import_module

import pytest

DEFINITIONS = {
    "7.1 the actor is the person known now, a merge is retroactive": "trends.a_merge_changes_yesterdays_numbers",
    "7.1 an id without a person counts by itself": "trends.dau_counts_persons",
    "7.1 events about no person": "trends.an_event_about_nobody_is_an_event_but_no_person",
    "7 both end days, the project's time zone, daylight saving": (
        "trends.days_begin_at_the_projects_midnight_and_the_clocks_change"
    ),
    "7 weeks start as the project says": "trends.weeks_start_as_the_project_says_and_are_clipped_to_the_range",
    "7.2 total": "trends.total_counts_events_and_an_empty_day_is_zero",
    "7.2 unique users": "trends.dau_counts_persons",
    "7.2 unique sessions": "trends.sessions",
    "7.2 unique group": "trends.groups_of_a_type_and_an_empty_key_is_no_group",
    "7.2 wau, mau": "trends.wau_and_mau_count_calendar_days_that_end_with_the_day",
    "7.2 wau, mau in total": "trends.wau_and_mau_in_total_end_with_the_last_day_of_the_range",
    "7.2 first time for user, plain and matching filters": "trends.first_time_is_the_earliest_ever",
    "7.2 sum; who has none is not counted": "trends.a_property_and_counts_per_person",
    "7.2 avg, min, max, median, p75, p90, p95, p99 of a property and of counts per user": (
        "trends.between_two_values_a_percentile_lies_in_proportion"
    ),
    "7.2 only numbers": "trends.infinity_and_nan_are_no_numbers",
    "7.2 total value is distinct over the range": "trends.a_total_value_is_distinct_over_the_whole_range",
    "7.2 breakdown, top 25, Other, None": "trends.a_breakdown_has_a_series_per_value_the_rest_and_none",
    "7.2 breakdown by person": "trends.a_breakdown_by_a_persons_property_as_it_is_now",
    "7.2 formula per bucket after aggregation": "trends.a_formula_is_computed_after_counting",
    "7.2 cumulative": "trends.cumulative_sums_the_intervals_also_of_persons",
    "7.3 every step lies in the range": "funnel.every_step_must_lie_in_the_range",
    "7.3 ordered": "funnel.ordered_allows_other_events_between_and_counts_the_furthest_step",
    "7.3 the most recent start is used": "funnel.a_later_start_opens_a_fresh_window",
    "7.3 two equal steps need two events": "funnel.two_equal_steps_need_two_events",
    "7.3 strict": "funnel.strict_allows_nothing_between",
    "7.3 unordered": "funnel.unordered_finds_most_steps_in_one_window",
    "7.3 window from step 1, inclusive": "funnel.the_window_is_measured_from_the_first_step_and_includes_its_end",
    "7.3 ties": "funnel.events_of_one_moment_are_taken_in_the_order_of_the_steps",
    "7.3 ties, strict": "funnel.strict_does_not_look_at_the_order_within_one_moment",
    "7.3 exclusion": "funnel.an_exclusion_between_two_steps_removes_the_person",
    "7.3 exclusion, a clean path rescues": "funnel.another_clean_path_rescues",
    "7.3 exclusion inside the window only": "funnel.an_exclusion_after_the_window_harms_nobody",
    "7.3 conversion and time to convert": "funnel.each_step_has_its_conversion_and_its_time",
    "7.3 breakdown attribution": "funnel.a_breakdown_says_whose_value_counts",
    "7.3 people behind a bar": "funnel.the_people_behind_a_bar",
    "7.3 trends of a funnel": "conversion.a_person_enters_once_per_interval_and_converts_from_that_entry",
    "7.3 trends of a funnel, window of the entry": "conversion.the_window_counts_from_the_entry",
    "7.3 a merge glues": "funnel.a_merge_glues_what_came_before_and_after_the_log_in",
    "7.4 new, returning, resurrecting, dormant": "cohorts.lifecycle_sorts_persons_into_four",
    "7.4 new can vanish": "cohorts.new_may_vanish_after_a_merge",
    "7.4 new is by the person's beginning": "cohorts.nobody_is_new_again_when_the_past_is_forgotten",
    "7.4 propertyless persons: a deviation": "cohorts.who_asks_for_no_profile_is_new_all_the_same",
    "7.5 stickiness, n or more events, x or more intervals": "cohorts.stickiness_counts_intervals_per_person",
    "7.6 recurring": "cohorts.recurring_retention_counts_a_person_in_many_cohorts",
    "7.6 first time": "cohorts.first_time_retention_counts_a_person_once",
    "7.6 first ever": "cohorts.first_ever_asks_the_earliest_to_pass_the_filter",
    "7.6 on or after": "cohorts.on_or_after_counts_who_came_back_then_or_later",
    "7.6 minimum of occurrences": "cohorts.a_minimum_of_returning_events",
    "7.6 mean, weighted or simple": "cohorts.the_mean_weighs_each_person_the_same",
    "7.6 the last interval is incomplete": "cohorts.a_period_that_is_not_over_is_said_and_left_out_of_the_mean",
    "7.6 calendar periods": "cohorts.weeks_start_as_the_project_says_and_periods_to_come_are_left_out",
    "7.7 duration, entry, exit, bounce": "visits.length_entry_exit_bounce_and_source",
    "7.7 start from the first event": "visits.a_session_is_in_the_days_it_began_in_and_whole",
    "7.7 identify does not end a session": "visits.identify_in_the_middle_does_not_end_a_session",
    "7.8 filters": "trends.each_filter",
    "7.8 filters on persons": "trends.a_filter_on_a_person",
    "paths of page views": "cohorts.paths_follow_page_views_within_a_session",
}


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_a_definition_has_its_test(definition: str) -> None:
    room, name = DEFINITIONS[definition].split(".")
    assert callable(getattr(import_module(f"{__package__}.test_{room}"), f"test_{name}"))
