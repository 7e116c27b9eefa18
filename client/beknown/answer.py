"""What a collector answers: its status, how long it asks to wait, and what it says.

Rule: an answer may hold anything, as proxies speak for collectors. What cannot be understood of it is left out; its
status always counts.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

MOST_DETAIL = 500  # characters


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request: its status (0: no answer), Retry-After in ms, what the collector said."""

    status: int
    retry_after: float = 0
    detail: str = ""
    skipped: tuple[tuple[int, str], ...] = ()  # (place in the batch, reason) of events that it could not use


def answer_of(response: "httpx.Response") -> Answer:
    """Give what an answer says: ours and PostHog's are JSON, a proxy's may be anything. Never raises."""
    wait = retry_after(response.headers.get("retry-after", ""), datetime.now(UTC))
    try:
        detail, skipped = _said(response)
    except Exception:  # nested too deep, cut off half-way, ...
        detail, skipped = "", ()
    return Answer(response.status_code, wait, detail, skipped)


def _said(response: "httpx.Response") -> tuple[str, tuple[tuple[int, str], ...]]:
    try:
        said: Any = response.json()
    except ValueError:
        said = None
    if not isinstance(said, dict):
        said = {}
    detail = str(said.get("detail") or said.get("error") or ("" if response.is_success else response.text))
    skipped = said.get("skipped")
    places = [one for one in skipped if isinstance(one, dict)] if isinstance(skipped, list) else []
    return detail[:MOST_DETAIL], tuple((_place(one.get("index")), str(one.get("reason", ""))) for one in places)


def _place(index: Any) -> int:
    return index if isinstance(index, int) and index >= 0 else -1


def retry_after(header: str, now: datetime) -> float:
    """Give the ms that a Retry-After header asks for: seconds or an HTTP date (RFC 9110 §10.2.3); 0 if neither."""
    text = header.strip()
    try:
        seconds = int(text) if text.isdecimal() else (parsedate_to_datetime(text) - now).total_seconds()
    except Exception:  # a header may hold anything, and the date's parser has many ways to say so
        return 0
    return max(seconds, 0) * 1000
