"""Times as SDKs write them, read into whole milliseconds since 1970.

Rules:
- Pure. What cannot be read is None; the caller decides what that means.
- A time without a zone is UTC (posthog-server §1.9).
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

_DIGITS = re.compile(r"\d{10}|\d{13}")
_FINE = re.compile(r":\d\d[.,]\d{3}(\d{1,3})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = 253_402_300_799_999  # the end of year 9999


def moment(value: Any) -> int | None:
    """Give the time of ISO 8601 text, of RFC 2822 text, or of an epoch in seconds (10 digits) or ms (13 digits)."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        return _epoch(value)
    if not isinstance(value, str) or len(value) > 64:
        return None
    text = value.strip()
    if _DIGITS.fullmatch(text):
        return _epoch(int(text))
    parsed = _iso(text) or _rfc2822(text)
    return None if parsed is None else _ms(parsed)


def micros(value: Any) -> int | None:
    """Give the microseconds beyond whole milliseconds (0 to 999) of ISO 8601 text that tells them, else None."""
    found = _FINE.search(value) if isinstance(value, str) else None
    return int(found[1].ljust(3, "0")) if found else None


def _epoch(number: float) -> int | None:
    if not 0 <= number <= _LATEST:  # NaN fails this too
        return None
    return int(number if number >= 100_000_000_000 else number * 1000)


def _iso(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    for form in (text.replace("/", "-"), text.replace(" ", "", 1) if text.count(" ") > 1 else text):
        with suppress(ValueError):
            return datetime.fromisoformat(form)
    return None


def _rfc2822(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None


def _ms(parsed: datetime) -> int | None:
    aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    try:
        since = aware - _EPOCH
    except OverflowError:
        return None
    # Dividing it takes twice as long.
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000
