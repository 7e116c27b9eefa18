"""beknown in Flask.

    app = Flask(__name__)
    beknown = Beknown(app, Client("bk_...", "https://t.example.com"))

    @app.post("/pay")
    def pay():
        beknown.capture("order_paid", {"total": 42})     # belongs to whoever sent the request

In templates ``{{ user.id | beknown_signature }}`` is what ``identify(id, set, set_once, {signature})`` takes.
"""

import time
from typing import TYPE_CHECKING, Any
from wsgiref.util import request_uri

from flask import Flask, current_app, has_app_context
from werkzeug.wrappers import Request, Response

from ..channel import log
from ..context import within
from ..signature import sign
from ..speaker import Properties, Speaker
from .visit import Streamed, proof, signature_cookie, visitor_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


MISSING = "beknown has no client: pass one, as in Beknown(app, Client(key, host))."


class Beknown:
    """Gives each request's calls to its visitor. ``secret_key`` (``bks_...``) is needed for signatures only."""

    def __init__(self, app: Flask | None = None, client: Speaker | None = None, *, secret_key: str = "") -> None:
        self.client = client
        self.secret_key = secret_key
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask, client: Speaker | None = None) -> None:
        """Attach to an application; ``client`` may be given here instead."""
        self.client = client or self.client
        app.extensions["beknown_client"] = self
        app.jinja_env.filters["beknown_signature"] = self.signature
        if self.client is None and self.secret_key:
            return  # it only signs
        app.wsgi_app = self.wrapped(app.wsgi_app)  # type: ignore[assignment, method-assign]

    def capture(self, event: str, properties: Properties = None, **more: Any) -> str | None:
        """Say that something happened in this request, as ``Client.capture`` does for an id."""
        if self.client is None:
            log.error("capture(%r) was not sent: %s", event, MISSING)
            return None
        return self.client.capture(None, event, properties, **more)

    def signature(self, user_id: Any) -> str:
        """Give the signature of a user's id, for the page of that very user."""
        return sign(user_id, self._secret())

    def vouch(self, response: Response, user_id: Any, *, secure: bool = True) -> None:
        """At log-in: let this browser prove from now on that it is this user's (``visitor().is_verified``)."""
        response.set_cookie(**proof(user_id, self._client().key, self._secret()), secure=secure)

    def unvouch(self, response: Response) -> None:
        """At log-out: take the proof back."""
        response.delete_cookie(signature_cookie(self._client().key))

    def wrapped(self, application: "WSGIApplication") -> "WSGIApplication":
        """Give a WSGI application (of any framework) whose calls belong to each request's visitor."""

        client = self._client()

        def run(environ: "WSGIEnvironment", start_response: "StartResponse") -> Any:
            request = Request(environ)
            try:
                address = request.base_url
            except ValueError:  # it decodes the host, which need not be a name of the IDNA of 2003
                address = request_uri(environ, include_query=False)
            someone = visitor_of(
                request.cookies,
                request.headers.get,
                key=client.key,
                now=time.time() * 1000,
                secret_key=self.secret_key,
                properties={"$current_url": address, "$request_method": request.method},
            )
            with within(someone):
                body = application(environ, start_response)
            # What is there already, or is the server's own way to send a file, has no use for a visitor.
            file = environ.get("wsgi.file_wrapper")
            ready = (list, tuple, file) if isinstance(file, type) else (list, tuple)
            return body if isinstance(body, ready) else Streamed(body, someone)

        return run

    def _client(self) -> Speaker:
        if self.client is None:
            raise RuntimeError(MISSING)
        return self.client

    def _secret(self) -> str:
        if not self.secret_key:
            raise RuntimeError("signing needs the project's secret key: Beknown(app, client, secret_key='bks_...').")
        return self.secret_key


def capture(event: str, properties: Properties = None, **more: Any) -> str | None:
    """Say that something happened in this request, where the application's ``Beknown`` is not at hand."""
    here = current_app.extensions.get("beknown_client") if has_app_context() else None
    if here is None:
        log.error("capture(%r) was not sent: there is no application here that has beknown.", event)
        return None
    found: str | None = here.capture(event, properties, **more)
    return found
