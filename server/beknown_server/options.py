"""What a project has chosen, as a form or a call tells it: each option, read and checked.

Rules:
- Pure. An option that is not told stays as it was; one that cannot be is named with what is wrong with it.
- ``timezone`` and ``week_start`` say what a day and a week are (insights.py), ``origins`` whose pages may send, empty
  for all, ``retention_days`` how long events are kept, none for ever, ``signed_identities`` whether a user's id must
  be signed (intake.py), ``merge_dangerously`` whether a page may join two users.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from .errors import Unusable
from .insights import zone_of

WEEK_STARTS = {"sunday": "Sunday", "monday": "Monday"}
DEFAULTS: dict[str, Any] = {
    "timezone": "UTC",
    "week_start": "sunday",
    "origins": [],
    "retention_days": None,
    "signed_identities": False,
    "merge_dangerously": False,
}
SWITCHES = ("signed_identities", "merge_dangerously")
MOST_ORIGINS = 50
MOST_DAYS = 36_500
# https://shop.example:8080, shop.example, *.shop.example
ORIGIN = re.compile(
    r"(https?://)?(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*(:\d{1,5})?|https?://\[[0-9a-f:]+\](:\d{1,5})?", re.IGNORECASE
)


def chosen(options: Mapping[str, Any]) -> dict[str, Any]:
    """Give every option, as it is where nothing was chosen."""
    return {name: options.get(name, default) for name, default in DEFAULTS.items()}


class Chosen:
    """The options with those changed that are asked for, and per option what is wrong with what was asked."""

    def __init__(self, asked: Mapping[str, Any], before: Mapping[str, Any]) -> None:
        self.options = dict(before)
        self.wrong: dict[str, str] = {}
        self._asked = asked
        for name, read in READ.items():
            if name in asked:
                try:
                    self.options[name] = read(asked[name])
                except ValueError as error:
                    self.wrong[name] = str(error)

    @property
    def shown(self) -> dict[str, Any]:
        """Give every option as the form shows it: what is wrong as it was typed."""
        return DEFAULTS | self.options | {name: self._asked[name] for name in self.wrong}


def of_form(form: Mapping[str, str]) -> dict[str, Any]:
    """Give the options that the settings' form asks for, which are all; of another form none."""
    if "timezone" not in form:
        return {}
    typed = {name: form.get(name, "").strip() for name in DEFAULTS}
    start, days = typed["week_start"], typed["retention_days"]
    return {
        "timezone": typed["timezone"] or DEFAULTS["timezone"],
        "week_start": start if start in WEEK_STARTS else DEFAULTS["week_start"],
        "origins": typed["origins"].split(),
        "retention_days": int(days) if days.isascii() and days.isdigit() and len(days) < 6 else days or None,
        **{name: name in form for name in SWITCHES},
    }


def _timezone(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("That is no time zone. Choose one such as Europe/Berlin.")
    try:
        zone_of({"timezone": value})
    except Unusable as refusal:
        raise ValueError(f"{refusal} Choose one such as Europe/Berlin.") from None
    return value


def _week_start(value: Any) -> str:
    if not isinstance(value, str) or value not in WEEK_STARTS:
        raise ValueError("Write sunday or monday.")
    return value


def _origins(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError("Write a list of sites, such as https://shop.example; an empty one for all.")
    origins = [*dict.fromkeys(one.rstrip("/").lower() for one in value)]
    strange = [one for one in origins if len(one) > 200 or not ORIGIN.fullmatch(one)]
    if strange:
        raise ValueError(f"{strange[0][:80]!r} is no site. Write https://shop.example or *.shop.example.")
    if len(origins) > MOST_ORIGINS:
        raise ValueError(f"These are over {MOST_ORIGINS}. Use *.shop.example for all of a site's names.")
    return origins


def _retention_days(value: Any) -> int | None:
    if value is None or (type(value) is int and 0 < value <= MOST_DAYS):
        return value
    raise ValueError(f"Write a number of days from 1 to {MOST_DAYS:,}, or nothing to keep all.")


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("Write true or false.")
    return value


READ: dict[str, Callable[[Any], Any]] = {
    "timezone": _timezone,
    "week_start": _week_start,
    "origins": _origins,
    "retention_days": _retention_days,
    **dict.fromkeys(SWITCHES, _switch),
}
