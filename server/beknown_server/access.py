"""Who may look: the dashboard's session, the demo's log-in link, the API's secret key, and the guards around them.

Rules:
- The secret key opens a project; the write key, which stands in public pages, opens nothing.
- A session is Flask's signed cookie (HttpOnly, SameSite=Lax) and holds no key, only which project it opens and
  since when. All of it lies under one name, so that a host application may use the same cookie.
- Every POST from a page carries the session's CSRF token. Calls with a bearer key need none: no browser sends
  that header by itself.
- Wrong keys are counted per address, so that guessing costs time. The count is this process's own: with N
  processes a guesser has N times the tries, still far too few for a random key of 128 bits or more.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from typing import Any

from flask import Flask, Request, current_app, request, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from itsdangerous import BadSignature, URLSafeTimedSerializer
from werkzeug.wrappers import Response

from .site import current_site, now_ms
from .store import Project

SESSION_NAME = "beknown"
SESSION_MS = 14 * 24 * 3600 * 1000
LINK_SECONDS = 24 * 3600  # the demo's link may be opened in another terminal's scrollback, but not next week
WRONG_KEYS = 10  # per address and WRONG_KEYS_MS
WRONG_KEYS_MS = 10 * 60 * 1000
MOST_ADDRESSES = 10_000  # remembered; a botnet must not fill the memory

# htmx needs neither inline style nor eval for what we use of it (its indicator CSS is an adopted style sheet).
CSP = "Content-Security-Policy"
ALWAYS = (("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "same-origin"))
HEADERS = {
    CSP: (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Sessions(SecureCookieSessionInterface):
    """Flask's sessions; what it costs to make their signer is paid only for who brings one. Events never do."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Give the session that came with the request, or an empty one; None without a secret key."""
        if "HTTP_COOKIE" in request.environ:
            return super().open_session(app, request)
        return self.session_class() if app.secret_key else None


class WrongKeys:
    """Counts wrong keys per address and says how long an address has to wait."""

    def __init__(self) -> None:
        self._times: dict[str, list[int]] = {}
        self._lock = threading.Lock()

    def wait_ms(self, address: str, *, now: int) -> int:
        """Give how many ms the address must wait before its next try, 0 if it may try now."""
        with self._lock:
            times = self._recent(address, now)
            return times[0] + WRONG_KEYS_MS - now if len(times) >= WRONG_KEYS else 0

    def add(self, address: str, *, now: int) -> None:
        """Count one wrong key."""
        with self._lock:
            times = self._recent(address, now)
            self._times.pop(address, None)
            self._times[address] = [*times, now]  # the youngest stand last, so the oldest are forgotten first
            while len(self._times) > MOST_ADDRESSES:
                del self._times[next(iter(self._times))]

    def _recent(self, address: str, now: int) -> list[int]:
        return [at for at in self._times.get(address, ()) if at > now - WRONG_KEYS_MS]


class Links:
    """Log-in links: signed, good for LINK_SECONDS, each good once in this process."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._lock = threading.Lock()

    def make(self, project_id: int, *, secret: str | bytes) -> str:
        """Give a token for ``/login?token=``."""
        return _serializer(secret).dumps([project_id, secrets.token_urlsafe(12)])

    def open(self, token: str, *, secret: str | bytes) -> int | None:
        """Give the project that the token opens, or None if it is forged, too old or used already."""
        try:
            project_id, nonce = _serializer(secret).loads(token, max_age=LINK_SECONDS)
        except (BadSignature, ValueError, TypeError):
            return None
        with self._lock:
            if nonce in self._used:
                return None
            self._used.add(nonce)
        return int(project_id)


def _serializer(secret: str | bytes) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(secret, salt="beknown log-in link")


def sign_in(project_id: int, *, now: int) -> None:
    """Open the project for this browser; the CSRF token changes with it, so that a planted one is worth nothing."""
    session[SESSION_NAME] = {"project": project_id, "at": now, "csrf": secrets.token_urlsafe(24)}
    session.permanent = True


def sign_out() -> None:
    """Close whatever was open for this browser."""
    session.pop(SESSION_NAME, None)


def signed_in(*, now: int) -> int | None:
    """Give the project that this browser's session opens, or None."""
    mine = _mine()
    project_id, at = mine.get("project"), mine.get("at")
    if not isinstance(project_id, int) or not isinstance(at, int) or now - at > SESSION_MS:
        return None
    return project_id


def session_project() -> Project | None:
    """Give the project that this browser's session opens, or None."""
    opened = signed_in(now=now_ms())
    if opened is None:
        return None
    return next((known for known in current_site().store.projects() if known.id == opened), None)


def csrf() -> str:
    """Give the token that this browser's forms carry; the first call in a session makes it."""
    mine = _mine()
    if not isinstance(mine.get("csrf"), str):
        session[SESSION_NAME] = mine = {**mine, "csrf": secrets.token_urlsafe(24)}
    return str(mine["csrf"])


def csrf_is_right() -> bool:
    """Tell whether the form that was posted carries this session's token."""
    sent, expected = request.form.get("csrf", ""), _mine().get("csrf")
    return isinstance(expected, str) and hmac.compare_digest(sent.encode(), expected.encode())


def bearer() -> str | None:
    """Give the key of an ``Authorization: Bearer`` header, or None without one."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" and key.strip() else None


def address() -> str:
    """Give the address that asked, as the WSGI server (or the proxy it was told to trust) reports it."""
    return request.remote_addr or "unknown"


def secret() -> str | bytes:
    """Give what this application signs its cookies with."""
    key = current_app.secret_key
    if not key:
        raise RuntimeError("no secret key: sessions cannot be signed. Set SECRET_KEY on the Flask application.")
    return key


def guarded(response: Response) -> Response:
    """Add the headers that keep a page to itself; what is personal is not cached."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "private, no-store")
    return response


def secured(response: Response) -> Response:
    """Add to any answer what keeps browsers from reading more into it than it is."""
    headers = response.headers
    present = {name.lower() for name, _ in headers}  # asked of the headers one by one, each is a walk through all
    for name, value in ALWAYS:
        if name.lower() not in present:
            headers.add(name, value)
    if headers.get("Content-Type", "").startswith("application/json") and CSP.lower() not in present:
        headers.add(CSP, "default-src 'none'; frame-ancestors 'none'")  # shown as a page, it does nothing
    if request.is_secure:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    return response


def safe_next(target: str | None, fallback: str) -> str:
    """Give ``target`` if it is a path on this site, else the fallback: a log-in must not send people elsewhere."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")) or set(target) & set("\\\r\n\t"):
        return fallback
    return target


def _mine() -> dict[str, Any]:
    mine = session.get(SESSION_NAME)
    return mine if isinstance(mine, dict) else {}
