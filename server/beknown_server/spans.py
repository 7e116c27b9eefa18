"""Days, weeks and months as the people of a project count them, turned into plain milliseconds.

Rules:
- Pure. A day begins at midnight in the project's time zone, so it may have 23 or 25 hours.
- Date ranges include both end days. A bucket is a whole calendar interval; what is counted in it lies in the range.
- No time zone reaches SQL: it gets the edges, as numbers.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from .errors import Unusable

INTERVALS = ("hour", "day", "week", "month")
MOST_BUCKETS = 2000  # about five years of days, twelve weeks of hours: more is no chart
HOUR = 3_600_000
FIRST, LAST = date(1971, 1, 1), date(2999, 12, 31)  # a day less than datetime can do, for zones and weeks

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Zone:
    """Where and how a project counts its days: time zone, and whether weeks start on Sunday."""

    zone: ZoneInfo
    sunday: bool

    def start(self, day: date) -> int:
        """Give the first millisecond of a day."""
        return round(datetime(day.year, day.month, day.day, tzinfo=self.zone).timestamp() * 1000)

    def day(self, at: int) -> date:
        """Give the day that a time in milliseconds falls on."""
        return datetime.fromtimestamp(at / 1000, self.zone).date()

    def floor(self, day: date, interval: str) -> date:
        """Give the first day of the interval that a day lies in."""
        if interval == "week":
            return day - timedelta(days=(day.weekday() + self.sunday) % 7)
        return day.replace(day=1) if interval == "month" else day


def after(day: date, interval: str, count: int = 1) -> date:
    """Give the day ``count`` intervals after a day that begins one."""
    if interval == "month":
        months = day.year * 12 + day.month - 1 + count
        return date(months // 12, months % 12 + 1, 1)
    return day + timedelta(days=count * (7 if interval == "week" else 1))


def back(today: date, period: str, count: int) -> date:
    """Give the day from which ``count`` periods reach up to today's."""
    return after(today.replace(day=1) if period == "month" else today, period, 1 - count)


@dataclass(frozen=True, slots=True)
class Buckets:
    """Neighbouring buckets: bucket i reaches from ``edges[i]`` to before ``edges[i + 1]``, milliseconds."""

    labels: list[str]
    edges: list[int]

    def sql(self, column: str = "timestamp") -> str:
        """Give the SQL that says which bucket a time lies in, counted from 0.

        Neighbours of the same length need one division together, so a year of days is three pieces: DST makes two.
        """
        pieces = []
        start, steps = 0, [b - a for a, b in zip(self.edges, self.edges[1:], strict=False)]
        for index in range(1, len(steps) + 1):
            if index == len(steps) or steps[index] != steps[start]:
                text = f"{start} + ({column} - {self.edges[start]}) // {steps[start]}"
                pieces.append(f"when {column} < {self.edges[index]} then {text}")
                start = index
        return f"(case {' '.join(pieces)} end)"

    def index(self, at: int) -> int:
        """Give the bucket that a time lies in; it must lie in one."""
        return bisect_right(self.edges, at) - 1


def buckets(first: date, last: date, interval: str, zone: Zone) -> Buckets:
    """Give the whole intervals from the one that ``first`` is in to the one that ``last`` is in.

    Raises Unusable if there would be more than MOST_BUCKETS.
    """
    length = {"hour": 1 / 24, "day": 1, "week": 7, "month": 28}[interval]
    if (last - first).days / length > MOST_BUCKETS:
        raise Unusable(
            "too_many_buckets",
            f"{first} to {last} by {interval} is more than {MOST_BUCKETS} buckets.",
            fix="Ask for fewer days, or for a longer interval.",
        )
    if interval == "hour":
        return _hours(first, last, zone)
    labels, edges = [], []
    day = zone.floor(first, interval)
    while day <= last:
        labels.append(day.isoformat())
        edges.append(zone.start(day))
        day = after(day, interval)
    return Buckets(labels, [*edges, zone.start(day)])


def _hours(first: date, last: date, zone: Zone) -> Buckets:
    labels, edges = [], []
    day = first
    while day <= last:
        for at in range(zone.start(day), zone.start(day + _DAY), HOUR):
            edges.append(at)
            labels.append(datetime.fromtimestamp(at / 1000, zone.zone).isoformat(timespec="minutes"))
        day += _DAY
    return Buckets(labels, [*edges, zone.start(day)])
