"""Who a request comes from, read from what the tag sends along. Shared by the frameworks' files.

    1. cookie ``bk_<key>`` and a matching ``bk_<key>_signature``     same site; we signed it: ``is_verified``
    2. headers X-BEKNOWN-DISTINCT-ID, -SESSION-ID, -IDENTIFIED,      the tag's own requests, ``data-tracing-hosts``
       or PostHog's two
    3. cookie ``bk_<key>`` alone                                      same site

A cookie that says ``denied`` goes before all of this: whoever has said no is nobody.

Rules:
- Pure. Each framework hands in its cookies and headers, whose names compare without regard to case.
- Attribution, never authentication: anybody can send any of this. Only ``is_verified`` cannot be made up, and it too
  can be copied from the browser that it was given to: it is no log-in.
- What cannot be an id is as good as absent. Nothing here raises: a request is not to fail because of its cookies.
"""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar
from unicodedata import category
from urllib.parse import unquote

from ..context import REFUSED, Visitor, within
from ..errors import BadId, BadState
from ..session import Session, is_over
from ..signature import is_signed, sign
from ..wire import BLANKS, DENIED, checked_id, cookie_name, unpack_cookie

PREFIXES = ("X-BEKNOWN-", "X-POSTHOG-")  # ours first
STATED = {"true": True, "false": False}  # what -IDENTIFIED says; PostHog's tag says nothing of it
MAX_SESSION = 100  # characters (posthog-server §1.8)
SIGNATURE_DAYS = 365


Part = TypeVar("Part")


def signature_cookie(key: str) -> str:
    """Give the name of the cookie that proves the id in ``bk_<key>``."""
    return cookie_name(key) + "_signature"


def proof(user_id: Any, key: str, secret_key: str) -> dict[str, Any]:
    """Give the arguments, as Flask, Django and Starlette name them, of ``set_cookie`` after a user's log-in."""
    return {
        "key": signature_cookie(key),
        "value": sign(user_id, secret_key),
        "max_age": SIGNATURE_DAYS * 86400,
        "httponly": True,
        "samesite": "Lax",
    }


def headers_of(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Give ASGI's headers by their names in lower case; over HTTP/2 cookies may come in several (RFC 9113 §8.2.3)."""
    found: dict[str, str] = {}
    for name, value in [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in raw]:
        found[name] = f"{found[name]}; {value}" if name == "cookie" and name in found else value
    return found


def cookies_of(header: str) -> dict[str, str]:
    """Give the cookies of a request's header."""
    pairs = [part.partition("=") for part in header.split(";")]
    return {name.strip(): value.strip().strip('"') for name, _, value in pairs}


def visitor_of(
    cookies: Mapping[str, str],
    header: Callable[[str], str | None],
    *,
    key: str,
    now: float,
    secret_key: str = "",
    properties: Mapping[str, Any] | None = None,
) -> Visitor | None:
    """Give the visitor that a request says it comes from at ``now`` (ms), or None if nothing of it can be used."""
    stored = unquote(cookies.get(cookie_name(key), ""))
    if stored == DENIED:
        return REFUSED
    known = _of_cookie(stored, now, properties or {})
    signature = cookies.get(signature_cookie(key), "")
    if known is not None and secret_key and signature and is_signed(known.distinct_id, signature, secret_key):
        return Visitor(
            known.distinct_id, known.session_id, known.device_id, known.is_identified, True, known.properties
        )
    return _of_headers(header, known, properties or {}) or known


def _of_cookie(text: str, now: float, properties: Mapping[str, Any]) -> Visitor | None:
    try:
        found = unpack_cookie(text)
        distinct_id = checked_id(found["distinct_id"])
    except (BadState, BadId):
        return None
    session, device = _session(found["session"]), _session(found["device"])
    if is_over(Session(session, found["started"], found["active"]), now):
        session = ""  # a form that is sent the next morning; the tag's next call begins a new one
    return Visitor(distinct_id, session, device, found["identified"], properties=properties)


def _of_headers(
    header: Callable[[str], str | None], known: Visitor | None, properties: Mapping[str, Any]
) -> Visitor | None:
    for prefix in PREFIXES:
        try:
            distinct_id = checked_id(_clean(header(prefix + "DISTINCT-ID") or ""))
        except BadId:
            continue
        if known is not None and known.distinct_id == distinct_id:
            return known  # the cookie says the same, and more
        session = _session(header(prefix + "SESSION-ID") or "")
        is_identified = STATED.get(header(prefix + "IDENTIFIED") or "")
        return Visitor(distinct_id, session, is_identified=is_identified, properties=properties)
    return None


def _clean(text: str) -> str:
    """Leave out control characters, and nothing else: without a blank or a joiner an id is somebody else's."""
    return "".join([letter for letter in text if category(letter) != "Cc"]).strip(BLANKS)


def _session(text: str) -> str:
    cleaned = _clean(text)
    return cleaned if len(cleaned) <= MAX_SESSION else ""


class Streamed(Iterator[Part]):
    """A body that is made while it is sent, each part of it in the visitor's context."""

    def __init__(self, parts: Iterable[Part], someone: Visitor | None) -> None:
        self._parts = iter(parts)
        self._someone = someone
        self.close: Callable[[], Any] = getattr(parts, "close", lambda: None)  # WSGI's servers call it (PEP 3333)

    def __next__(self) -> Part:
        with within(self._someone):
            return next(self._parts)


async def streamed(parts: AsyncIterable[Part], someone: Visitor | None) -> AsyncIterator[Part]:
    """Give the same of a body that is made by coroutines."""
    turns = aiter(parts)
    while True:
        with within(someone):
            try:
                part = await anext(turns)
            except StopAsyncIteration:
                return
        yield part
