"""What a project has chosen, as a form tells it: each option, read and checked.

Rules:
- Pure. An option that is not in the form stays as it was; one that cannot be is named with what is wrong with it.
- ``timezone`` and ``week_start`` say what a day and a week are (insights.py), ``origins`` whose pages may send, empty
  for all, ``retention_days`` how long events are kept, none for ever, ``signed_identities`` whether a user's id must
  be signed (intake.py), ``merge_dangerously`` whether a page may join two users.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
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


class Chosen:
    """The options that a form asks for, and per option what is wrong with it."""

    def __init__(self, form: Mapping[str, str], before: Mapping[str, Any]) -> None:
        self.options = dict(before)
        self.wrong: dict[str, str] = {}
        self._form = form
        if "timezone" in form:
            self._calendar()
            self._origins()
            self._retention()
            self.options |= {name: name in form for name in SWITCHES}

    @property
    def shown(self) -> dict[str, Any]:
        """Give every option as the form shows it: what is wrong as it was typed."""
        typed = {name: self._text(name).split() if name == "origins" else self._text(name) for name in self.wrong}
        return DEFAULTS | self.options | typed

    def _calendar(self) -> None:
        name, start = self._text("timezone"), self._text("week_start")
        try:
            zone_of({"timezone": name})
        except Unusable as refusal:
            self.wrong["timezone"] = f"{refusal} Choose one such as Europe/Berlin."
        self.options["timezone"] = name or DEFAULTS["timezone"]
        self.options["week_start"] = start if start in WEEK_STARTS else "sunday"

    def _origins(self) -> None:
        origins = [*dict.fromkeys(one.rstrip("/").lower() for one in self._text("origins").split())]
        strange = [one for one in origins if len(one) > 200 or not ORIGIN.fullmatch(one)]
        if strange:
            self.wrong["origins"] = f"{strange[0][:80]!r} is no site. Write https://shop.example or *.shop.example."
        elif len(origins) > MOST_ORIGINS:
            self.wrong["origins"] = f"These are over {MOST_ORIGINS}. Use *.shop.example for all of a site's names."
        self.options["origins"] = origins

    def _retention(self) -> None:
        text = self._text("retention_days")
        self.options["retention_days"] = None
        if not text:
            return
        if text.isascii() and text.isdigit() and 0 < len(text) < 6 and 0 < int(text) <= MOST_DAYS:
            self.options["retention_days"] = int(text)
        else:
            self.wrong["retention_days"] = f"Write a number of days from 1 to {MOST_DAYS:,}, or nothing to keep all."

    def _text(self, name: str) -> str:
        return self._form.get(name, "").strip()
