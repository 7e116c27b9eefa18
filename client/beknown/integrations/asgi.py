"""beknown in ASGI applications: FastAPI, Starlette, Quart and others.

beknown = Client("bk_...", "https://t.example.com")      # or AsyncClient
app = FastAPI()
app.add_middleware(Beknown, client=beknown)

@app.post("/pay")
async def pay():
    capture("order_paid", {"total": 42})     # belongs to whoever sent the request
"""

from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from typing import Any

from ..context import Visitor, within
from ..speaker import Properties, Speaker
from .visit import visitor_of

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_client: ContextVar[Speaker] = ContextVar("beknown_client")


class Beknown:
    """Gives each request's calls to its visitor. ``secret_key`` (``bks_...``) is needed for signatures only."""

    def __init__(self, app: Application, client: Speaker, secret_key: str = "") -> None:
        self.app = app
        self.client = client
        self.secret_key = secret_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application with the request's visitor in place."""
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        token = _client.set(self.client)
        try:
            with within(self._visitor(scope)):
                return await self.app(scope, receive, send)
        finally:
            _client.reset(token)

    def _visitor(self, scope: Scope) -> Visitor | None:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        address = f"{scope.get('scheme', 'http')}://{headers.get('host', '')}{scope.get('path', '')}"
        return visitor_of(
            _cookies(headers.get("cookie", "")),
            lambda name: headers.get(name.lower()),
            key=self.client.key,
            secret_key=self.secret_key,
            properties={"$current_url": address, "$request_method": scope.get("method", "GET")},
        )


def capture(event: str, properties: Properties = None, **more: Any) -> str | None:
    """Say that something happened in this request, as ``Client.capture`` does for an id."""
    client = _client.get(None)
    if client is None:
        raise RuntimeError("capture() outside of a request: call your client's capture(distinct_id, event) instead.")
    return client.capture(None, event, properties, **more)


def _cookies(header: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in header.split(";")]
    return {name.strip(): value.strip().strip('"') for name, _, value in pairs}
