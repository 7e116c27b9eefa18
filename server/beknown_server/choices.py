"""The choices that the form of ``/insights`` offers: each word of its query string, with what it is called.

Rules:
- Pure. A word here is the API's own, where the API has one.
"""

from __future__ import annotations

ANY = "*"  # any event
MOST_SERIES = 5
MOST_STEPS = 10
MOST_FILTERS = 5
MOST_WITHOUT = 3  # events that must not come between a funnel's steps

KINDS = {
    "trends": "Trends",
    "funnel": "Funnel",
    "retention": "Retention",
    "lifecycle": "Lifecycle",
    "stickiness": "Stickiness",
    "paths": "Paths",
    "sessions": "Sessions",
}
OWN_CONDITIONS = ("trends", "funnel")  # each of their events may have a condition of its own
WITHOUT_EVENTS = ("paths", "sessions")  # these ask about all that happened
RANGES = {"7d": 7, "30d": 30, "90d": 90, "365d": 365}
INTERVALS = {"hour": "Hour", "day": "Day", "week": "Week", "month": "Month"}
PERIODS = {"day": "Day", "week": "Week", "month": "Month"}
ORDERS = {
    "ordered": "In this order",
    "strict": "Directly one after the other",
    "unordered": "In any order",
}
RETENTIONS = {
    "first_time": "For the first time",
    "recurring": "At any time",
    "first_ever": "As their first such event ever",
}
MODES = {
    "retention": {"exact": "In that very period", "more": "In that period or later"},
    "stickiness": {"exact": "On exactly so many", "more": "On so many or more"},
}
ATTRIBUTIONS = {
    "first_touch": "The first value",
    "last_touch": "The last value",
    "all_steps": "The same value at every step",
}
MATHS = {
    "dau": "Unique people",
    "total": "Events",
    "sessions": "Sessions",
    "wau": "People active in 7 days",
    "mau": "People active in 30 days",
    "first_time": "People for the first time",
    "avg_per_person": "Events per person, average",
    "median_per_person": "Events per person, median",
    "sum": "Sum of a property",
    "avg": "Average of a property",
    "median": "Median of a property",
    "p75": "75th percentile of a property",
    "p90": "90th percentile of a property",
    "p95": "95th percentile of a property",
    "p99": "99th percentile of a property",
    "min": "Smallest value of a property",
    "max": "Largest value of a property",
}
OF_PROPERTY = ("sum", "avg", "median", "p75", "p90", "p95", "p99", "min", "max")
TRAILING = ("wau", "mau")
SUBJECTS = {"event": "Event", "person": "Person"}
OPERATORS = {
    "exact": "is",
    "is_not": "is not",
    "icontains": "contains",
    "not_icontains": "does not contain",
    "gt": "is over",
    "lt": "is under",
    "is_set": "is set",
    "is_not_set": "is not set",
}
NUMERIC = ("gt", "lt")
BARE = ("is_set", "is_not_set")
