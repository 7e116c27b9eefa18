"""beknown in Django, sync and async.

# settings.py
BEKNOWN_CLIENT = Client("bk_...", "https://t.example.com")
BEKNOWN_SECRET_KEY = "bks_..."       # for signatures only
MIDDLEWARE = [..., "beknown.integrations.django.middleware"]

# views.py
from beknown.integrations.django import capture

def pay(request):
    capture("order_paid", {"total": 42})     # belongs to whoever sent the request
"""

import time
from collections.abc import Callable, Mapping
from inspect import iscoroutinefunction
from typing import Any

from django.conf import settings
from django.core.exceptions import DisallowedHost, ImproperlyConfigured
from django.http import FileResponse, HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware
from django.utils.encoding import iri_to_uri

from ..channel import log
from ..context import Visitor, within
from ..signature import sign
from ..speaker import Properties, Speaker
from .visit import Streamed, cookies_of, headers_of, proof, signature_cookie, streamed, visitor_of


@sync_and_async_middleware  # type: ignore[untyped-decorator]  # Django has no types
def middleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Give each request's calls to its visitor."""
    client()  # what is missing in the settings is said at the start, not to a visitor
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> Any:
            someone = _visitor(request)
            with within(someone):
                return _streaming(await get_response(request), someone)

        return answer_async

    def answer(request: HttpRequest) -> Any:
        someone = _visitor(request)
        with within(someone):
            return _streaming(get_response(request), someone)

    return answer


def capture(event: str, properties: Properties = None, **more: Any) -> str | None:
    """Say that something happened in this request, as ``Client.capture`` does for an id."""
    try:
        speaker = client()
    except ImproperlyConfigured as fault:
        log.error("capture(%r) was not sent: %s", event, fault)
        return None
    return speaker.capture(None, event, properties, **more)


def signature(user_id: Any) -> str:
    """Give the signature of a user's id, for ``identify(id, set, set_once, {signature})`` in that user's page."""
    return sign(user_id, _secret())


def vouch(response: HttpResponseBase, user_id: Any, *, secure: bool = True) -> None:
    """At log-in: let this browser prove from now on that it is this user's (``visitor().is_verified``)."""
    response.set_cookie(**proof(user_id, client().key, _secret()), secure=secure)


def unvouch(response: HttpResponseBase) -> None:
    """At log-out: take the proof back."""
    response.delete_cookie(signature_cookie(client().key))


def client() -> Speaker:
    """Give the client of the settings; raise ImproperlyConfigured without one."""
    found = getattr(settings, "BEKNOWN_CLIENT", None)
    if not isinstance(found, Speaker):
        raise ImproperlyConfigured("beknown needs BEKNOWN_CLIENT = Client(key, host) in the settings.")
    return found


def _streaming(response: Any, someone: Visitor | None) -> Any:
    if getattr(response, "streaming", False) and not isinstance(response, FileResponse):
        each = streamed if response.is_async else Streamed
        response.streaming_content = each(response.streaming_content, someone)
    return response


def _secret() -> str:
    found = getattr(settings, "BEKNOWN_SECRET_KEY", "")
    if not found:
        raise ImproperlyConfigured("signing needs BEKNOWN_SECRET_KEY = 'bks_...' in the settings.")
    return str(found)


def _visitor(request: HttpRequest) -> Visitor | None:
    try:
        # ``build_absolute_uri`` takes what follows two slashes for a host, and raises where it can be none.
        url = iri_to_uri(f"{request.scheme}://{request.get_host()}{request.path}")
    except DisallowedHost:  # Django's own answer to it comes later
        url = request.path
    return visitor_of(
        _cookies(request),
        request.headers.get,
        key=client().key,
        now=time.time() * 1000,
        secret_key=getattr(settings, "BEKNOWN_SECRET_KEY", ""),
        properties={"$current_url": url, "$request_method": request.method},
    )


def _cookies(request: HttpRequest) -> Mapping[str, str]:
    if not hasattr(request, "scope"):
        return dict(request.COOKIES)
    # Under ASGI, Django 5 joins several headers of cookies with commas, and then reads none of them right.
    return cookies_of(headers_of(request.scope["headers"]).get("cookie", ""))
