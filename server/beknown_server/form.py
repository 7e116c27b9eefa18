"""The form of ``/insights``: what its query string says, read without complaint, and the question it stands for.

Rules:
- Pure. A link is typed, shared and cut short: what cannot be read is left at its default, nothing is refused here.
- ``Form.query`` is the shortest query string that reads as the same form; it is what people share.
- ``Form.body`` is the body of ``POST /api/insights/<kind>``; whether it can be answered is the engine's to say.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Protocol

from .choices import (
    ANY,
    ATTRIBUTIONS,
    BARE,
    INTERVALS,
    KINDS,
    MATHS,
    MODES,
    MOST_FILTERS,
    MOST_SERIES,
    MOST_STEPS,
    MOST_WITHOUT,
    NUMERIC,
    OF_PROPERTY,
    OPERATORS,
    ORDERS,
    OWN_CONDITIONS,
    PERIODS,
    RANGES,
    RETENTIONS,
    SUBJECTS,
    TRAILING,
    WITHOUT_EVENTS,
)  # fmt: skip
from .spans import back


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

    @property
    def words(self) -> str:
        """Give it as the form reads."""
        told = [self.key, OPERATORS[self.operator], *([] if self.operator in BARE else [self.value])]
        return " ".join(told)


@dataclass(frozen=True, slots=True)
class Series:
    """One line of trends, or a step or an event of the other kinds; ``of``: the property, for maths OF_PROPERTY.

    ``where``: a condition on this one alone, for kinds OWN_CONDITIONS.
    """

    event: str = ANY
    math: str = "dau"
    of: str = ""
    where: Filter | None = None


_PLAIN = Series()


@dataclass(frozen=True, slots=True)
class Form:
    """What the form shows. Event names are as on the wire; ANY stands for every event."""

    kind: str = "trends"
    span: str = "30d"
    first: str = ""
    last: str = ""
    series: Sequence[Series] = (_PLAIN,)
    formula: str = ""
    interval: str = "day"
    breakdown: str = ""
    subject: str = "event"
    window: int = 14
    order: str = "ordered"
    without: Sequence[str] = ()
    attribution: str = "first_touch"
    returning: str = ANY
    period: str = "week"
    periods: int = 8
    retention: str = "first_time"
    mode: str = "exact"
    steps: int = 3
    filters: Sequence[Filter] = field(default=())

    @property
    def events(self) -> list[str]:
        """Give the events' names."""
        return [one.event for one in self.series]

    def query(self, **changed: str) -> list[tuple[str, str]]:
        """Give the form as the pairs of its query string, without what is at its default."""
        found = [("kind", changed.get("kind", self.kind))]
        if "kind" not in changed:
            found += [(name, value) for name, value in self._own() if value != str(getattr(_DEFAULT, name, ""))]
        if self.span != _DEFAULT.span:
            found.append(("span", self.span))
        if self.span == "custom":
            found += [("first", self.first), ("last", self.last)]
        for one in self.filters:
            found += [("subject_is", one.subject), ("key", one.key), ("operator", one.operator), ("value", one.value)]
        return found

    def _own(self) -> list[tuple[str, str]]:
        found = [("event", name) for name in self.events if self.events != [ANY] and self.kind not in WITHOUT_EVENTS]
        if self.kind == "trends":
            found += [("math", one) for one in _shortest([one.math for one in self.series], _PLAIN.math)]
            found += [("of", one) for one in _shortest([one.of for one in self.series], "")]
        for number, one in enumerate(self.series, 1):
            found += _own_condition(number, one.where) if one.where else []
        names = {
            "trends": ["formula", "interval", "breakdown"],
            "funnel": ["window", "order", "breakdown"],
            "retention": ["returning", "period", "periods", "retention", "mode"],
            "lifecycle": ["interval"],
            "stickiness": ["interval", "mode"],
            "paths": ["steps"],
            "sessions": [],
        }[self.kind]
        if "breakdown" in names and self.breakdown:
            names += ["subject"] + ["attribution"] * (self.kind == "funnel")
        found += [(name, str(getattr(self, name))) for name in names]
        return found + [("without", name) for name in self.without if self.kind == "funnel"]

    def days(self, today: date) -> tuple[date, date]:
        """Give the first and the last day that are meant."""
        if self.span == "custom":
            return date.fromisoformat(self.first), date.fromisoformat(self.last)
        if self.kind == "retention":
            return back(today, self.period, self.periods), today
        return today - timedelta(days=RANGES[self.span] - 1), today

    def body(self, today: date) -> dict[str, Any]:
        """Give the question as the API takes it."""
        first, last = (day.isoformat() for day in self.days(today))
        asked: dict[str, dict[str, Any]] = {
            "trends": self._trends(),
            "funnel": self._funnel(),
            "retention": self._retention(),
            "lifecycle": {**self._matching(self.events[0]), "interval": self.interval},
            "stickiness": self._stickiness(),
            "paths": {"steps": self.steps, "filters": self._filters()},
            "sessions": {"filters": self._filters()},
        }
        until = {} if self.kind == "retention" else {"date_to": last}
        return asked[self.kind] | {"date_from": first} | until

    def _trends(self) -> dict[str, Any]:
        series = []
        for one in self.series:
            of = {"property": one.of} if one.math in OF_PROPERTY else {}
            series.append(self._matching(one.event, one.where) | {"math": one.math} | of | self._broken_down())
        asked: dict[str, Any] = series[0] if len(series) == 1 and not self.formula else {"series": series}
        return asked | ({"formula": self.formula} if self.formula else {}) | {"interval": self.interval}

    def _funnel(self) -> dict[str, Any]:
        asked: dict[str, Any] = {"steps": [self._matching(one.event, one.where) for one in self.series]}
        asked |= {"window_days": self.window, "order": self.order}
        if self.without:
            asked["exclusions"] = [{"event": _name(event)} for event in self.without]
        return asked | self._broken_down() | ({"attribution": self.attribution} if self.breakdown else {})

    def _retention(self) -> dict[str, Any]:
        asked = {"target": self._matching(self.events[0]), "returning": self._matching(self.returning)}
        more = {"period": self.period, "periods": self.periods, "kind": self.retention}
        return asked | more | {"mode": "on" if self.mode == "exact" else "on_or_after"}

    def _stickiness(self) -> dict[str, Any]:
        mode = "exactly" if self.mode == "exact" else "or_more"
        return self._matching(self.events[0]) | {"interval": self.interval, "mode": mode}

    def _matching(self, event: str, where: Filter | None = None) -> dict[str, Any]:
        return {"event": _name(event), "filters": self._filters() + ([_asked(where)] if where else [])}

    def _filters(self) -> list[dict[str, Any]]:
        return [_asked(one) for one in self.filters]

    def _broken_down(self) -> dict[str, Any]:
        return {"breakdown": self.breakdown, "breakdown_type": self.subject} if self.breakdown else {}


_DEFAULT = Form()


def read(arguments: Arguments, *, today: date) -> Form:
    """Give the form that a query string stands for; what cannot be read is as if it were not there."""

    def choice(name: str, allowed: Sequence[str]) -> str:
        value = arguments.get(name, "")
        return value if value in allowed else str(getattr(_DEFAULT, name))

    def text(name: str) -> str:
        return _cut(arguments.get(name, str(getattr(_DEFAULT, name))))

    def whole(name: str, least: int, most: int) -> int:
        return _whole(arguments.get(name, ""), least=least, most=most, default=int(getattr(_DEFAULT, name)))

    kind = choice("kind", [*KINDS])
    span, first, last = _span(arguments, today)
    interval = choice("interval", [*INTERVALS])
    series = _series(arguments, kind)
    is_trailing = kind == "lifecycle" or any(one.math in TRAILING for one in series)
    return Form(
        kind=kind,
        span=span,
        first=first,
        last=last,
        series=series,
        formula=text("formula") if kind == "trends" else "",
        interval="day" if interval == "hour" and is_trailing else interval,
        breakdown=text("breakdown"),
        subject=choice("subject", [*SUBJECTS]),
        window=whole("window", 1, 365),
        order=choice("order", [*ORDERS]),
        without=[name[:200] for name in arguments.getlist("without") if name][:MOST_WITHOUT],
        attribution=choice("attribution", [*ATTRIBUTIONS]),
        returning=text("returning") or ANY,
        period=choice("period", [*PERIODS]),
        periods=whole("periods", 2, 31),
        retention=choice("retention", [*RETENTIONS]),
        mode=choice("mode", [*MODES["retention"]]),
        steps=whole("steps", 1, 10),
        filters=_filters(arguments),
    )


def _series(arguments: Arguments, kind: str) -> list[Series]:
    """Give the rows of events; a row whose event is empty was taken away. A math that is missing is the one before."""
    where = functools.partial(_where, arguments) if kind in OWN_CONDITIONS else lambda _: None
    most = {"trends": MOST_SERIES, "funnel": MOST_STEPS}.get(kind, 1)
    events, maths, ofs = (arguments.getlist(name) for name in ("event", "math", "of"))
    found, math, of = list[Series](), _PLAIN.math, _PLAIN.of
    for place, event in enumerate(events or [ANY]):
        math = maths[place] if place < len(maths) and maths[place] in MATHS else math
        of = _cut(ofs[place]) if place < len(ofs) else of
        if event:
            found.append(Series(event[:200], math, of if math in OF_PROPERTY else "", where(place + 1)))
    return found[:most] or [Series(ANY, math, of if math in OF_PROPERTY else "")]


def _where(arguments: Arguments, number: int) -> Filter | None:
    """Give the condition of the row with this number, counted from 1; its fields are told apart by that number."""
    name = f"where{number}"
    key, operator = _cut(arguments.get(name, "")), arguments.get(name + "_operator", "")
    subject = "person" if arguments.get(name + "_is", "") == "person" else "event"
    value = arguments.get(name + "_value", "")[:200]
    return Filter(subject, key, operator if operator in OPERATORS else "exact", value) if key else None


def _own_condition(number: int, one: Filter) -> list[tuple[str, str]]:
    fields = {"_is": one.subject, "": one.key, "_operator": one.operator, "_value": one.value}
    plain = {"_is": "event", "_operator": "exact"}
    return [(f"where{number}{name}", value) for name, value in fields.items() if value != plain.get(name)]


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
        Filter(subject if subject in SUBJECTS else "event", _cut(key), operator, value[:200])
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


def _shortest(values: Sequence[str], default: str) -> list[str]:
    """Give a column without the repeated values at its end, which stand for themselves when they are missing."""
    kept = list(values)
    while kept and kept[-1] == (kept[-2] if len(kept) > 1 else default):
        kept.pop()
    return kept


def _cut(text: str) -> str:
    return text.strip()[:200].strip()


def _name(event: str) -> str | None:
    return None if event == ANY else event


def _whole(text: str, *, least: int, most: int, default: int) -> int:
    return min(max(int(text), least), most) if text.isascii() and text.isdigit() and len(text) < 6 else default
