"""How things are written for a person: labels, initials, places, times. The templates' filters, all of them.

Rules:
- Pure: no clock, no database, no Flask. Times are whole milliseconds since 1970 and written in UTC; a page with
  JavaScript rewrites them in the reader's zone.
- A value from outside may be anything JSON can hold; every function answers with text whatever it is given.
- Nothing here escapes HTML: Jinja does, for every value.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

from beknown.wire import iso

HUES = 10  # the classes hue-0 ... hue-9 of dashboard.css
SHADES = 10  # the classes shade-0 ... shade-10
MAX_WRITTEN = 600  # characters of one value; the API has the whole of it

# Names on the wire that a reader should not have to know.
LABELS = {
    "$pageview": "Page view",
    "$pageleave": "Page leave",
    "$screen": "Screen",
    "$identify": "Identified",
    "$create_alias": "Alias",
    "$merge_dangerously": "Merged",
    "$set": "Properties set",
    "$autocapture": "Click",
    "$rageclick": "Rage click",
    "$groupidentify": "Group",
    "$exception": "Exception",
    "new": "New",  # the states of a lifecycle
    "returning": "Returning",
    "resurrecting": "Resurrecting",
    "dormant": "Dormant",
}

KINDS = {
    "$pageview": "page",
    "$screen": "page",
    "$pageleave": "leave",
    "$identify": "identify",
    "$create_alias": "identify",
    "$merge_dangerously": "identify",
    "$set": "settings",
}

# The rules of identity.py, in words that stand after an id.
REASONS = {
    "claim": "Linked by identify",
    "alias": "Linked as an alias",
    "forced_merge": "Merged by force",
    "named": "Named a user by identify",
    "already_linked": "Linked again; nothing changed",
    "junk_id": "Refused: a placeholder that many people would share",
    "same_id": "Refused: both ids are the same",
    "not_allowed": "Refused: the project does not let pages force a merge",
    "unsigned": "Refused: the claim was not signed",
    "already_identified": "Refused: it belongs to another identified person",
}

# Who told a link that has no event, or none any more.
UNTOLD = {
    "forced_merge": "by an operator, or its event is gone",
    "named": "kept of a claim that was undone or deleted, or its event is gone",
}

# The findings of the identity report: what to call them, and what was seen.
FINDINGS = {
    "forgotten_reset": (
        "Log-out without reset",
        "On one device somebody else logged in, and reset() was not called between.",
    ),
    "late_identify": (
        "Identified late",
        "Known users went on under a new anonymous id before they were identified again.",
    ),
    "junk_id": ("A placeholder as id", "identify() was given null, undefined, the id it already had, or the like."),
    "shared_device": ("Shared device", "Several users take turns on one device."),
    "duplicate_person": (
        "One person, several users",
        "Several persons have the same e-mail address or phone number.",
    ),
    "id_per_request": ("A new id for every request", "Ids that were seen once and never again."),
    "storage_blocked": (
        "Storage blocked or cleared",
        "Visitors in the middle of the site who have no earlier page and no earlier visit.",
    ),
    "identified_by_changing_id": (
        "An id that changes",
        "The user's id is another in each session: a session id or a token, it seems.",
    ),
    "oversized_person": ("A person with very many ids", "More ids than one human collects."),
    "unsigned_identify": (
        "Claims without signature",
        "The project demands signed ids; these claims had none that was right.",
    ),
    "gpc_or_opted_out": (
        "Asked not to be known",
        "Visitors with Global Privacy Control, or without consent to storage.",
    ),
    "events_lost": ("Events lost on the way", "Browsers number their events; these numbers are missing."),
}

RUNGS = (
    ("The user's own id", "The same in every session and on every device: somebody who was identified."),
    ("One id, many sessions", "An anonymous id that lasts: the same visitor is recognised when they return."),
    ("One id, one session", "It lasted a single session: a first visit so far, or storage is blocked or cleared."),
    ("A new id every time", "Each request comes from somebody new: counting people is in vain."),
)


class Happened(Protocol):
    """The part of a stored event that is needed to tell whether somebody was recognised by it."""

    @property
    def event(self) -> str: ...
    @property
    def distinct_id(self) -> str: ...
    @property
    def properties(self) -> dict[str, Any]: ...


def label(event: str) -> str:
    """Give the words for an event's name: those of LABELS, else the name itself."""
    return LABELS.get(event, event)


def kind(event: str) -> str:
    """Give which symbol an event is shown with: page, leave, identify, settings or custom."""
    return KINDS.get(event, "custom")


def became(row: Happened) -> str | None:
    """Give the anonymous id that this event asks to tie to its distinct id, or None; the store knows if it did."""
    anonymous = row.properties.get("$anon_distinct_id")
    if row.event != "$identify" or not isinstance(anonymous, str) or anonymous == row.distinct_id:
        return None
    return anonymous


def visitor(distinct_id: str) -> str:
    """Give the short name of somebody known only by an anonymous id: ``Visitor 1a2b``."""
    return "Visitor " + distinct_id.replace("-", "")[-4:]


def initials(name: str) -> str:
    """Give one or two letters that stand for a name or an e-mail address."""
    words = [word for word in name.split("@")[0].replace(".", " ").replace("_", " ").split() if word[0].isalnum()]
    if not words:
        return name.strip()[:1].upper() or "?"
    return (words[0][0] + (words[-1][0] if len(words) > 1 else "")).upper()


def hue(person_id: str) -> int:
    """Give the colour class of a person: always the same one, evenly spread."""
    return hashlib.sha256(person_id.encode("utf-8", "replace")).digest()[0] % HUES


def place(properties: dict[str, Any]) -> str:
    """Give where an event happened: the path of its page, or its screen, or nothing."""
    for name in ("$pathname", "$screen_name"):
        if isinstance(properties.get(name), str):
            return str(properties[name])
    url = properties.get("$current_url")
    if not isinstance(url, str):
        return ""
    try:
        return urlsplit(url).path or "/"
    except ValueError:  # a page's address is whatever the page says it is
        return url


def own_first(properties: dict[str, Any]) -> list[tuple[str, Any]]:
    """Give the properties with the site's own before those that every event carries (``$...``), each by name."""
    return sorted(properties.items(), key=lambda item: (item[0].startswith("$"), item[0]))


def written(value: Any) -> str:
    """Give a property's value as one line of text, cut at MAX_WRITTEN characters."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= MAX_WRITTEN else text[:MAX_WRITTEN] + "…"


SHORT = {word: word.upper() for word in ("json", "nul", "http", "api", "csrf")} | {"lz64": "LZ-String"}


def sentence(code: str) -> str:
    """Give a code such as ``junk_id`` as words with a capital."""
    words = " ".join(SHORT.get(word, word) for word in code.replace("_", " ").replace("-", " ").split())
    return words[:1].upper() + words[1:]


def opened(words: str) -> str:
    """Give words with a capital at their beginning, otherwise as they are."""
    return words[:1].upper() + words[1:]


def finding(code: str) -> tuple[str, str]:
    """Give what a finding of the identity report is called, and what was seen."""
    return FINDINGS.get(code, (sentence(code), ""))


def reason(rule: str) -> str:
    """Give the words for the rule that linked an id or refused to."""
    return REASONS.get(rule, sentence(rule))


def untold(rule: str) -> str:
    """Give the words for who told a link of which no event is stored."""
    return UNTOLD.get(rule, "its event is gone")


def grouped(number: float) -> str:
    """Give a whole number with thin spaces between thousands."""
    return f"{number:,.0f}".replace(",", "\u2009")


def figure(number: float | None) -> str:
    """Give a number of an answer: whole ones grouped, others with two decimals, a missing one as a dash."""
    if number is None:
        return "–"
    return grouped(number) if number == int(number) else f"{number:,.2f}".replace(",", "\u2009")


def percent(share: float | None) -> str:
    """Give a share from 0 to 1 as per cent: ``43%``, ``0.4%``; a missing one as a dash."""
    if share is None:
        return "–"
    hundredths = 100 * share
    return f"{hundredths:.1f}%" if 0 < hundredths < 1 or 99 < hundredths < 100 else f"{hundredths:.0f}%"


def shade(share: float | None) -> int:
    """Give which shade a share from 0 to 1 has, 0 to SHADES; only nothing at all is 0."""
    return min(SHADES, max(1, round(share * SHADES))) if share else 0


def bucket(name: str, interval: str) -> str:
    """Give the words for an interval of an answer: ``23 Nov``, ``Nov 2026``, ``23 Nov, 14:00``."""
    moment = datetime.fromisoformat(name)
    if interval == "month":
        return f"{moment:%b %Y}"
    return f"{moment.day} {moment:%b, %H:%M}" if interval == "hour" else f"{moment.day} {moment:%b}"


def short(number: float) -> str:
    """Give a count that fits a badge: ``999``, ``12k``, ``3M``."""
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:.0f}{unit}"
    return str(int(number))


def duration(ms: int) -> str:
    """Give a length of time in its largest unit: ``42 s``, ``7 min``, ``3 h``, ``2 d``."""
    seconds = ms // 1000
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 48 * 3600:
        return f"{seconds // 60} min" if seconds < 3600 else f"{seconds // 3600} h"
    return f"{seconds // 86400} d"


def clock(ms: int) -> str:
    """Give the time of day in UTC: ``14:05:09``."""
    return _moment(ms).strftime("%H:%M:%S")


def day_and_clock(ms: int) -> str:
    """Give day and time in UTC: ``23 Nov, 14:05 UTC``."""
    moment = _moment(ms)
    return f"{moment.day} {moment:%b, %H:%M} UTC"


def _moment(ms: int) -> datetime:
    try:
        return datetime.fromtimestamp(ms // 1000, UTC)
    except (OverflowError, OSError, ValueError):  # a device's clock may claim any year
        return datetime.fromtimestamp(0, UTC)


FILTERS: Iterable[Callable[..., Any]] = (
    label, kind, became, visitor, initials, hue, place, own_first, written, sentence, reason, untold, opened, finding,
    grouped, figure, percent, shade, bucket, short, duration, iso, clock, day_and_clock,
)  # fmt: skip
