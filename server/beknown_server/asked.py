"""What a caller asks of the numbers, checked: dates, events, filters; and the SQL of its conditions.

Rules:
- Pure. Whatever is wrong raises Unusable, which names the field, what was passed and what may be passed.
- A value of the caller's never becomes SQL: it is bound (``Values``). Only texts of ours are put together here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NoReturn

from .errors import Unusable
from .spans import FIRST, LAST, Zone

DAYS = 30  # a range that is not named: the last 30 days
MOST_TEXT = 400  # characters in a name, a key, a pattern
MOST_FILTERS = 20
MOST_VALUES = 1000  # in one filter

# What a filter does with the property's text ``x`` and the bound value ``v``.
OPERATORS = {
    "exact": "list_contains({v}, {x})",
    "is_not": "not coalesce(list_contains({v}, {x}), false)",
    "icontains": "contains(lower({x}), lower({v}))",
    "not_icontains": "not coalesce(contains(lower({x}), lower({v})), false)",
    "regex": "regexp_matches({x}, {v})",
    "not_regex": "not coalesce(regexp_matches({x}, {v}), false)",
    "gt": "try_cast({x} as double) > {v}",
    "gte": "try_cast({x} as double) >= {v}",
    "lt": "try_cast({x} as double) < {v}",
    "lte": "try_cast({x} as double) <= {v}",
    "is_set": "{x} is not null",
    "is_not_set": "{x} is null",
}
_QUESTIONS = Path(__file__).parent / "questions"
_FRAGMENT = re.compile(r"\{(\w+)\}")
_NUMERIC = ("gt", "gte", "lt", "lte")
_BARE = ("is_set", "is_not_set")


@cache
def _template(name: str) -> str:
    lines = (_QUESTIONS / f"{name}.sql").read_text("utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("--"))  # comments may name fragments


def filled(name: str, fragments: Mapping[str, str]) -> str:
    """Give the SQL of a file in questions/ with each ``{name}`` replaced by the fragment of that name."""
    return _FRAGMENT.sub(lambda found: fragments[found[1]], _template(name))


@lru_cache(4096)
def code_of(text: str) -> int:
    """Give the number that stands for an event's name or a session in the copy: 64 bits of its BLAKE2b.

    Numbers are compared and counted much faster than texts. Every process makes the same ones without asking the
    others; two of a hundred million sessions are alike with a chance of 1 in 3,700.
    """
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def refuse(field: str, value: Any, wanted: str) -> NoReturn:
    """Raise Unusable for a field."""
    shown = repr(value)
    shown = shown if len(shown) <= 60 else shown[:60] + "..."
    raise Unusable("bad_question", f"{field} is {shown}, not {wanted}.", fix=f"Pass {wanted} as {field}.")


class Values(dict[str, Any]):
    """Values to bind, each under a name of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.person_keys: set[str] = set()  # the persons' properties that the SQL will want in ``person_property``

    def bind(self, value: Any) -> str:
        """Keep a value and give its place in the SQL."""
        name = f"v{len(self)}"
        self[name] = value
        return f"${name}"

    def property_sql(self, *keys: str, person: bool = False) -> str:
        """Give the SQL of a property's text, null if the event (or the person) has none; more keys lead into it."""
        if person:
            self.person_keys.add(keys[0])
            own = f"p.person = event.person and p.key = {self.bind(keys[0])}"
            return f"(select any_value(p.value) from person_property p where {own})"
        # A JSON pointer: unlike a path it can name any key.
        pointer = "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)
        return f"json_extract_string(properties, {self.bind(pointer)})"


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on a property of the event or, as it is now, of the person."""

    key: str
    operator: str
    value: Any
    person: bool
    numbers: Sequence[float] = ()  # of the values of exact and is_not: 100 is 100.0, however each is written

    def sql(self, values: Values) -> str:
        """Give it as SQL that is true or false."""
        x = values.property_sql(self.key, person=self.person)
        v = "" if self.operator in _BARE else values.bind(self.value)
        found = OPERATORS[self.operator].format(x=x, v=v)
        if self.numbers:
            equal = f"coalesce(list_contains({values.bind(self.numbers)}, try_cast({x} as double)), false)"
            found = f"({found}) or {equal}" if self.operator == "exact" else f"({found}) and not {equal}"
        return f"coalesce({found}, false)"


@dataclass(frozen=True, slots=True)
class Matching:
    """Which events are meant: a name (None: any) and filters that all must hold."""

    event: str | None
    filters: Sequence[Filter]

    @property
    def label(self) -> str:
        """Give what it is called in an answer."""
        return self.event or "All events"

    def sql(self, values: Values) -> str:
        """Give it as SQL that is true or false for a row of ``event``."""
        parts = [f"event = {values.bind(code_of(self.event))}"] if self.event is not None else []
        return " and ".join([*parts, *(one.sql(values) for one in self.filters)]) or "true"


@dataclass(frozen=True, slots=True)
class Range:
    """Days, both included."""

    first: date
    last: date

    def bounds(self, zone: Zone) -> tuple[int, int]:
        """Give the first millisecond, and the first after it."""
        return zone.start(self.first), zone.start(self.last + timedelta(days=1))


class Asked:
    """The fields of a question, each checked when it is read. ``place`` is what messages call it."""

    def __init__(self, body: Any, place: str = "") -> None:
        if not isinstance(body, Mapping):
            refuse(place or "the body", body, "a JSON object")
        self._body = body
        self._place = place + "." if place else ""

    def has(self, name: str) -> bool:
        """Tell whether a field is there and not null."""
        return self._body.get(name) is not None

    def given(self, name: str) -> Any:
        """Give a field as it was passed, unchecked, to show it."""
        return self._body.get(name)

    def text(self, name: str, default: str | None = None) -> str:
        """Give a text that is not empty."""
        value = self._body.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or not value or len(value) > MOST_TEXT:
            refuse(self._place + name, value, f"text of 1 to {MOST_TEXT} characters")
        return value

    def choice(self, name: str, allowed: Sequence[str], default: str) -> str:
        """Give one of the words that are allowed."""
        value = self._body.get(name)
        if value is None:
            return default
        if value not in tuple(allowed):
            refuse(self._place + name, value, "one of " + ", ".join(allowed))
        return str(value)

    def whole(self, name: str, default: int, *, least: int, most: int) -> int:
        """Give a whole number."""
        value = self._body.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            refuse(self._place + name, value, f"a whole number from {least} to {most}")
        return value

    def number(self, name: str, default: float, *, least: float, most: float) -> float:
        """Give a number."""
        value = self._body.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
            refuse(self._place + name, value, f"a number from {least} to {most}")
        return float(value)

    def day(self, name: str, default: date | None = None) -> date:
        """Give a date."""
        value = self._body.get(name)
        if value is None and default is not None:
            return default
        try:
            found = date.fromisoformat(value) if isinstance(value, str) and len(value) == 10 else None
        except ValueError:
            found = None
        if found is None or not FIRST <= found <= LAST:
            refuse(self._place + name, value, f"a date such as 2026-11-23, from {FIRST} to {LAST}")
        return found

    def range(self, today: date) -> Range:
        """Give the days from ``date_from`` to ``date_to``, by default the last 30 that end with ``today``."""
        last = self.day("date_to", today)
        first = self.day("date_from", max(FIRST, last - timedelta(days=DAYS - 1)))
        if first > last:
            refuse("date_from", first.isoformat(), f"a day up to date_to, {last}")
        return Range(first, last)

    def items(self, name: str, *, most: int) -> list[Asked]:
        """Give a list of objects; empty if there is none."""
        value = self._body.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or len(value) > most:
            refuse(self._place + name, value, f"a list of at most {most}")
        return [Asked(item, f"{self._place}{name}[{index}]") for index, item in enumerate(value)]

    def part(self, name: str) -> Asked:
        """Give a question within: an object, an event's name for short, or nothing."""
        value = self._body.get(name)
        if value is None or isinstance(value, str):
            value = {"event": value}
        return Asked(value, self._place + name)

    def matching(self) -> Matching:
        """Give which events are meant, by ``event`` and ``filters``."""
        event = self.text("event") if self.has("event") else None
        return Matching(event, self.filters())

    def filters(self) -> list[Filter]:
        """Give the filters of ``filters``."""
        return [one._filter() for one in self.items("filters", most=MOST_FILTERS)]

    def _filter(self) -> Filter:
        operator = self.choice("operator", tuple(OPERATORS), "exact")
        value = self._body.get("value")
        where = self._place + "value"
        numbers: list[float] = []
        if operator in _NUMERIC:
            value = self.number("value", float("nan"), least=-1e300, most=1e300)
            if value != value:
                refuse(where, None, "a number")
        elif operator in ("exact", "is_not"):
            many = value if isinstance(value, list) else [value]
            if not many or len(many) > MOST_VALUES:
                refuse(where, value, f"one to {MOST_VALUES} values")
            value = [_as_text(where, one) for one in many]
            numbers = _numbers(many)
        elif operator not in _BARE:
            value = self.text("value")
        person = self.choice("type", ("event", "person"), "event") == "person"
        return Filter(self.text("key"), operator, value, person, numbers)


def _numbers(values: Sequence[Any]) -> list[float]:
    """Give what is to be compared as a number: of whole ones, those that a double is the same as."""
    whole = [float(one) for one in values if type(one) is int and abs(one) <= 2**53]
    return whole + [one for one in values if isinstance(one, float)]


def _as_text(where: str, value: Any) -> str:
    """Give a value as DuckDB writes it when it takes it out of JSON."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if not isinstance(value, str) or len(value) > MOST_TEXT:
        refuse(where, value, f"text of at most {MOST_TEXT} characters, a number, true or false")
    return value
