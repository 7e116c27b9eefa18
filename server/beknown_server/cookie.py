"""The visitor's cookies where the server may see and set them: on the page's own host, or under a domain they share.

    bk_<key>        the identity, as static/beknown.js writes it; set here only for pages without JavaScript
    bk_<key>.kept   the server's own copy of it, for the day the script's is gone

Rules:
- Why a copy: WebKit deletes what a script wrote after seven days without a visit, not what the site's server set.
- Why not the same cookie: the page writes its own at any moment, and an answer already on its way would put
  an older identity over a newer one: whoever logs in just then would be somebody else for the site's backend.
- Set only where the page that asked could have set it: its host is ours, or both are under ``data-cookie-domain``.
- Of several cookies the one with the highest revision counts; one that is damaged or not ours counts as none. After a
  no and a yes that is the page's own (wire.py): no copy from before brings back who was to be forgotten.
- Readable by scripts, as the other is: a page that is told to forget its visitor must be able to.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, unquote, urlsplit

from beknown.errors import BadState
from beknown.persistence import in_cookie
from beknown.wire import DENIED, cookie_name, unpack_cookie
from flask import request
from werkzeug.wrappers import Response

LASTING = 400 * 24 * 3600  # seconds; browsers allow no more
UNQUOTED = "!~*'()"  # what JavaScript's encodeURIComponent leaves as it is, beside letters, digits and -_.


def arrived(key: str) -> str:
    """Give the newest identity that came with this request, as the cookie's text; empty if none did."""
    if "HTTP_COOKIE" not in request.environ:  # most pages are not of our host
        return ""
    texts = [
        unquote(value)
        for name in (cookie_name(key), _kept(key))
        for value in request.cookies.getlist(name)  # a host's and its domain's may both come
    ]
    return max(texts, key=revision, default="") if any(revision(text) >= 0 for text in texts) else ""


def choice(key: str) -> str:
    """Give what the visitor has chosen as far as it came with this request: "denied", or the identity's text."""
    return unquote(request.cookies.get(cookie_name(key), ""))


def revision(text: str) -> int:
    """Give the revision of a cookie's text; -1 for what is no identity of ours."""
    try:
        found: int = unpack_cookie(text)["revision"]
    except BadState:
        return -1
    return found


def keep(response: Response, key: str, text: str, options: dict[str, Any]) -> None:
    """Keep an identity for as long as browsers allow, if the page's ``options`` want it in a cookie at all."""
    if choice(key) == DENIED:
        return
    wanted = in_cookie(options) and options.get("consent") != "cookieless"
    if wanted and revision(text) >= 0:
        _set(response, _kept(key), text, options)


def give(response: Response, key: str, text: str, options: dict[str, Any]) -> None:
    """Set the identity cookie itself, for a page where no script does."""
    _set(response, cookie_name(key), text, options)


def _kept(key: str) -> str:
    return cookie_name(key) + ".kept"


def _set(response: Response, name: str, text: str, options: dict[str, Any]) -> None:
    page = urlsplit(request.headers.get("Origin") or request.headers.get("Referer") or "")
    ours = urlsplit(request.host_url).hostname
    domain = str(options.get("cookieDomain") or "").lower().strip(".")
    shared = page.hostname == ours if not domain else _within(domain, page.hostname) and _within(domain, ours)
    if page.hostname and shared:
        response.set_cookie(
            name,
            quote(text, safe=UNQUOTED),
            max_age=LASTING,
            domain=domain or None,
            secure=page.scheme == "https",
            samesite="Lax",
        )


def _within(domain: str, host: str | None) -> bool:
    return host == domain or (host or "").endswith("." + domain)
