"""beknown in ASGI applications: FastAPI, Starlette, Quart and others.

beknown = Client("bk_...", "https://t.example.com")      # or AsyncClient
app = FastAPI()
app.add_middleware(Beknown, client=beknown)

@app.post("/pay")
async def pay():
    capture("order_paid", {"total": 42})     # belongs to whoever sent the request
"""

import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from typing import Any

from ..channel import log
from ..context import Visitor, within
from ..signature import sign
from ..speaker import Properties, Speaker
from .visit import cookies_of, headers_of, proof, signature_cookie, visitor_of

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_here: ContextVar["Beknown"] = ContextVar("beknown_here")


class Beknown:
    """Gives each request's calls to its visitor. ``secret_key`` (``bks_...``) is needed for signatures only."""

    def __init__(self, app: Application, client: Speaker, secret_key: str = "") -> None:
        self.app = app
        self.client = client
        self.secret_key = secret_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application with the request's visitor in place; what starts and ends it (lifespan) is nobody's."""
        someone = self._visitor(scope) if scope["type"] in ("http", "websocket") else None
        token = _here.set(self)
        try:
            with within(someone):
                return await self.app(scope, receive, send)
        finally:
            _here.reset(token)

    def _visitor(self, scope: Scope) -> Visitor | None:
        headers = headers_of(scope["headers"])
        address = f"{scope.get('scheme', 'http')}://{headers.get('host', '')}{scope.get('path', '')}"
        return visitor_of(
            cookies_of(headers.get("cookie", "")),
            lambda name: headers.get(name.lower()),
            key=self.client.key,
            now=time.time() * 1000,
            secret_key=self.secret_key,
            properties={"$current_url": address, "$request_method": scope.get("method", "GET")},
        )


def capture(event: str, properties: Properties = None, **more: Any) -> str | None:
    """Say that something happened in this request, as ``Client.capture`` does for an id."""
    here = _here.get(None)
    if here is None:  # such as a thread of the application's own
        log.error("capture(%r) outside of a request: call your client's capture(distinct_id, event).", event)
        return None
    return here.client.capture(None, event, properties, **more)


def signature(user_id: Any) -> str:
    """Give the signature of a user's id, for ``identify(id, set, set_once, {signature})`` in that user's page."""
    return sign(user_id, _middleware(is_signing=True).secret_key)


def vouch(response: Any, user_id: Any, *, secure: bool = True) -> None:
    """At log-in: let this browser prove from now on that it is this user's (``visitor().is_verified``).

    ``response`` is the framework's, with ``set_cookie`` as Starlette's has it.
    """
    here = _middleware(is_signing=True)
    response.set_cookie(**proof(user_id, here.client.key, here.secret_key), secure=secure)


def unvouch(response: Any) -> None:
    """At log-out: take the proof back."""
    response.delete_cookie(signature_cookie(_middleware().client.key))


def _middleware(*, is_signing: bool = False) -> Beknown:
    here = _here.get(None)
    if here is None:
        raise RuntimeError("this is outside of a request, or the application has no Beknown middleware.")
    if is_signing and not here.secret_key:
        raise RuntimeError("signing needs the secret key: add_middleware(Beknown, ..., secret_key='bks_...').")
    return here
