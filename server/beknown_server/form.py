"""The form of ``/insights``: what its query string says, read without complaint, and the question it stands for.

Rules:
- Pure. A link is typed, shared and cut short: what cannot be read is left at its default, nothing is refused here.
- ``Form.query`` is the shortest query string that reads as the same form; it is what people share.
- ``Form.body`` is the body of ``POST /api/insights/<kind>``; whether it can be answered is the engine's to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Protocol

ANY = "*"  # any event
MOST_SERIES = 5
MOST_STEPS = 10
MOST_FILTERS = 5

KINDS = {"trends": "Trends", "funnel": "Funnel", "retention": "Retention", "lifecycle": "Lifecycle"}
RANGES = {"7d": 7, "30d": 30, "90d": 90, "365d": 365}
INTERVALS = {"hour": "Hour", "day": "Day", "week": "Week", "month": "Month"}
PERIODS = {"day": "Day", "week": "Week", "month": "Month"}
DAYS = {"day": 1, "week": 7, "month": 31}
ORDERS = {
    "ordered": "In this order",
    "strict": "Directly one after the other",
    "unordered": "In any order",
}
RETENTIONS = {"first_time": "For the first time", "recurring": "At any time"}
MATHS = {
    "dau": "Unique people",
    "total": "Events",
    "sessions": "Sessions",
    "wau": "People active in 7 days",
    "mau": "People active in 30 days",
    "first_time": "People for the first time",
    "avg_per_person": "Events per person, average",
    "sum": "Sum of a property",
    "avg": "Average of a property",
    "median": "Median of a property",
    "p90": "90th percentile of a property",
    "min": "Smallest value of a property",
    "max": "Largest value of a property",
}
OF_PROPERTY = ("sum", "avg", "median", "p90", "min", "max")
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


class Arguments(Protocol):
    """A parsed query string, as werkzeug gives it."""

    def get(self, name: str, default: str, /) -> str: ...
    def getlist(self, name: str, /) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition of the form; a key that is empty is a row that waits to be filled in."""

    subject: str
    key: str
    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class Form:
    """What the form shows. Event names are as on the wire; ANY stands for every event."""

    kind: str = "trends"
    span: str = "30d"
    first: str = ""
    last: str = ""
    events: Sequence[str] = (ANY,)
    math: str = "dau"
    of: str = ""
    interval: str = "day"
    breakdown: str = ""
    subject: str = "event"
    window: int = 14
    order: str = "ordered"
    returning: str = ANY
    period: str = "week"
    periods: int = 8
    retention: str = "first_time"
    filters: Sequence[Filter] = field(default=())

    def query(self, **changed: str) -> list[tuple[str, str]]:
        """Give the form as the pairs of its query string, without what is at its default."""
        found = [("kind", changed.get("kind", self.kind))]
        if "kind" not in changed:
            found += [("event", name) for name in self.events if tuple(self.events) != (ANY,)]
            found += [(name, value) for name, value in self._own() if value != str(getattr(_DEFAULT, name))]
        if self.span != _DEFAULT.span:
            found.append(("span", self.span))
        if self.span == "custom":
            found += [("first", self.first), ("last", self.last)]
        for one in self.filters:
            found += [("subject_is", one.subject), ("key", one.key), ("operator", one.operator), ("value", one.value)]
        return found

    def _own(self) -> list[tuple[str, str]]:
        names = {
            "trends": ["math", "interval", "breakdown"] + ["of"] * (self.math in OF_PROPERTY),
            "funnel": ["window", "order", "breakdown"],
            "retention": ["returning", "period", "periods", "retention"],
            "lifecycle": ["interval"],
        }[self.kind]
        if "breakdown" in names and self.breakdown:
            names.append("subject")
        return [(name, str(getattr(self, name))) for name in names]

    def days(self, today: date) -> tuple[date, date]:
        """Give the first and the last day that are meant."""
        if self.span == "custom":
            return date.fromisoformat(self.first), date.fromisoformat(self.last)
        if self.kind == "retention":
            return today - timedelta(days=DAYS[self.period] * (self.periods - 1)), today
        return today - timedelta(days=RANGES[self.span] - 1), today

    def body(self, today: date) -> dict[str, Any]:
        """Give the question as the API takes it."""
        first, last = (day.isoformat() for day in self.days(today))
        filters = [_asked(one) for one in self.filters]
        matching = [{"event": _name(event), "filters": filters} for event in self.events]
        if self.kind == "funnel":
            more: dict[str, Any] = {"steps": matching, "window_days": self.window, "order": self.order}
        elif self.kind == "retention":
            returning = {"event": _name(self.returning), "filters": filters}
            more = {"target": matching[0], "returning": returning, "period": self.period}
            return more | {"periods": self.periods, "kind": self.retention, "date_from": first}
        elif self.kind == "lifecycle":
            more = {**matching[0], "interval": self.interval}
        else:
            math = {"math": self.math} | ({"property": self.of} if self.math in OF_PROPERTY else {})
            series = [one | math | self._broken_down() for one in matching]
            more = (series[0] if len(series) == 1 else {"series": series}) | {"interval": self.interval}
        if self.kind == "funnel":
            more |= self._broken_down()
        return more | {"date_from": first, "date_to": last}

    def _broken_down(self) -> dict[str, Any]:
        return {"breakdown": self.breakdown, "breakdown_type": self.subject} if self.breakdown else {}


_DEFAULT = Form()


def read(arguments: Arguments, *, today: date) -> Form:
    """Give the form that a query string stands for; what cannot be read is as if it were not there."""

    def choice(name: str, allowed: Sequence[str]) -> str:
        value = arguments.get(name, "")
        return value if value in allowed else str(getattr(_DEFAULT, name))

    def text(name: str) -> str:
        return arguments.get(name, str(getattr(_DEFAULT, name))).strip()[:200]

    kind = choice("kind", [*KINDS])
    most = {"trends": MOST_SERIES, "funnel": MOST_STEPS}.get(kind, 1)
    events = [name[:200] for name in arguments.getlist("event") if name][:most]
    span, first, last = _span(arguments, today)
    interval = choice("interval", [*INTERVALS])
    math = choice("math", [*MATHS])
    return Form(
        kind=kind,
        span=span,
        first=first,
        last=last,
        events=events or [ANY],
        math=math,
        of=text("of"),
        interval="day" if interval == "hour" and (math in ("wau", "mau") or kind == "lifecycle") else interval,
        breakdown=text("breakdown"),
        subject=choice("subject", [*SUBJECTS]),
        window=_whole(arguments.get("window", ""), least=1, most=365, default=_DEFAULT.window),
        order=choice("order", [*ORDERS]),
        returning=text("returning") or ANY,
        period=choice("period", [*PERIODS]),
        periods=_whole(arguments.get("periods", ""), least=2, most=31, default=_DEFAULT.periods),
        retention=choice("retention", [*RETENTIONS]),
        filters=_filters(arguments),
    )


def _span(arguments: Arguments, today: date) -> tuple[str, str, str]:
    span = arguments.get("span", _DEFAULT.span)
    if span != "custom":
        return (span if span in RANGES else _DEFAULT.span), "", ""
    last = _day(arguments.get("last", ""), today)
    first = _day(arguments.get("first", ""), last - timedelta(days=RANGES[_DEFAULT.span] - 1))
    return "custom", min(first, last).isoformat(), max(first, last).isoformat()


def _day(text: str, default: date) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return default
    return found if 1971 <= found.year <= 2999 else default


def _filters(arguments: Arguments) -> list[Filter]:
    columns = (arguments.getlist(name) for name in ("subject_is", "key", "operator", "value"))
    return [
        Filter(subject if subject in SUBJECTS else "event", key.strip()[:200], operator, value[:200])
        for subject, key, operator, value in zip(*columns, strict=False)
        if key.strip() and operator in OPERATORS
    ][:MOST_FILTERS]


def _asked(one: Filter) -> dict[str, Any]:
    asked: dict[str, Any] = {"key": one.key, "operator": one.operator, "type": one.subject}
    if one.operator in BARE:
        return asked
    if one.operator in NUMERIC:
        try:
            return asked | {"value": float(one.value)}
        except ValueError:
            return asked | {"value": one.value}  # the engine says that it must be a number
    return asked | {"value": one.value}


def _name(event: str) -> str | None:
    return None if event == ANY else event


def _whole(text: str, *, least: int, most: int, default: int) -> int:
    return min(max(int(text), least), most) if text.isascii() and text.isdigit() and len(text) < 6 else default
