"""The visitor of each request, in the real frameworks behind real servers: Flask, Django (both kinds), FastAPI."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any
from urllib.parse import quote

import httpx
import pytest
from beknown.backend import Client, sign, visitor
from beknown.integrations import asgi
from beknown.integrations import django as in_django
from beknown.integrations import flask as in_flask
from beknown.wire import pack_cookie
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from fastapi import FastAPI, Form
from fastapi.responses import StreamingResponse
from flask import Flask, jsonify, render_template_string, request

from .conftest import KEY, Recorder
from .serving import configure_django, uvicorned, wsgi

SECRET = "bks_tests_secret"
ANON, SESSION = "01a20ac2-f41d-71cf-917a-c081a3fe8768", "01a20ac2-f41d-71cf-917a-c081a3fe8769"


def cookie(distinct_id: str = ANON, identified: bool = False) -> dict[str, str]:
    fields = {
        "revision": 3, "device": ANON, "identified": identified, "session": SESSION, "started": 1, "active": 2,
        "distinct_id": distinct_id,
    }  # fmt: skip
    return {f"bk_{KEY}": quote(pack_cookie(fields), safe="")}


def seen() -> dict[str, Any]:
    """What a view can see of its visitor."""
    found = visitor()
    return {} if found is None else {"id": found.distinct_id, "verified": found.is_verified}


def told(capture: Callable[[], Any]) -> Iterator[str]:
    """A body that captures while it is sent."""
    yield "  "
    capture()
    yield json.dumps(seen())


async def told_async(capture: Callable[[], Any]) -> AsyncIterator[str]:
    for part in told(capture):
        await asyncio.sleep(0)
        yield part


# The same small shop four times -----------------------------------------------------------------------------------


def flask_shop(client: Client) -> Flask:
    app = Flask(__name__)
    beknown = in_flask.Beknown(app, client, secret_key=SECRET)

    @app.post("/pay")
    def pay() -> Any:
        beknown.capture("order_paid", {"plan": request.form["plan"]})
        return jsonify(seen())

    @app.post("/pay-streaming")
    def pay_streaming() -> Any:
        plan = request.form["plan"]
        return app.response_class(told(lambda: beknown.capture("order_paid", {"plan": plan})))

    @app.post("/login")
    def login() -> Any:
        response = app.make_response(render_template_string("{{ 'ada' | beknown_signature }}"))
        beknown.vouch(response, "ada", secure=False)
        return response

    return app


def django_pay(request: HttpRequest) -> HttpResponse:
    in_django.capture("order_paid", {"plan": request.POST["plan"]})
    return JsonResponse(seen())


async def django_pay_async(request: HttpRequest) -> HttpResponse:
    await asyncio.sleep(0)
    in_django.capture("order_paid", {"plan": request.POST["plan"]})
    return JsonResponse(seen())


def django_pay_streaming(request: HttpRequest) -> StreamingHttpResponse:
    plan = request.POST["plan"]
    return StreamingHttpResponse(told(lambda: in_django.capture("order_paid", {"plan": plan})))


async def django_pay_streaming_async(request: HttpRequest) -> StreamingHttpResponse:
    plan = request.POST["plan"]
    return StreamingHttpResponse(told_async(lambda: in_django.capture("order_paid", {"plan": plan})))


def django_login(request: HttpRequest) -> HttpResponse:
    response = HttpResponse(in_django.signature("ada"))
    in_django.vouch(response, "ada", secure=False)
    return response


urlpatterns = [
    path("pay", django_pay),
    path("pay-async", django_pay_async),
    path("pay-streaming", django_pay_streaming),
    path("pay-streaming-async", django_pay_streaming_async),
    path("login", django_login),
]


def fastapi_shop(client: Client) -> FastAPI:
    app = FastAPI()
    app.add_middleware(asgi.Beknown, client=client, secret_key=SECRET)

    @app.post("/pay")
    async def pay(plan: Annotated[str, Form()]) -> dict[str, Any]:
        await asyncio.sleep(0)
        asgi.capture("order_paid", {"plan": plan})
        return seen()

    @app.post("/pay-streaming")
    async def pay_streaming(plan: Annotated[str, Form()]) -> StreamingResponse:
        return StreamingResponse(told_async(lambda: asgi.capture("order_paid", {"plan": plan})))

    @app.post("/pay-in-thread")
    def pay_in_thread(plan: Annotated[str, Form()]) -> dict[str, Any]:
        asgi.capture("order_paid", {"plan": plan})
        return seen()

    return app


@pytest.fixture
def client(recorder: Recorder) -> Iterator[Client]:
    with Client(KEY, recorder.url) as one:
        yield one


@pytest.fixture
def django_settings(client: Client) -> None:
    configure_django(__name__, client, SECRET)


SHOPS = ["flask /pay", "django /pay", "django-async /pay-async", "django-async /pay", "fastapi /pay"]


STREAMING = [
    "flask /pay-streaming",
    "django /pay-streaming",
    "django-async /pay-streaming-async",
    "fastapi /pay-streaming",
]


@pytest.fixture(params=[*SHOPS, *STREAMING, "django-async /pay-streaming-async", "fastapi /pay-in-thread"])
def shop(request: pytest.FixtureRequest, client: Client) -> Iterator[tuple[str, str]]:
    """The address of a shop, and the path at which one pays."""
    kind, path = request.param.split()
    if kind.startswith("django"):
        request.getfixturevalue("django_settings")
    serve: dict[str, Callable[[], Any]] = {
        "flask": lambda: wsgi(flask_shop(client)),
        "django": lambda: wsgi(get_wsgi_application()),
        "django-async": lambda: uvicorned(get_asgi_application()),
        "fastapi": lambda: uvicorned(fastapi_shop(client)),
    }
    with serve[kind]() as url:
        yield url, path


def pay(shop: tuple[str, str], client: Client, **request: Any) -> dict[str, Any]:
    url, path = shop
    answer = httpx.post(url + path, data={"plan": "pro"}, **request)
    assert answer.status_code == 200, answer.text
    client.flush()
    return dict(answer.json())


def test_an_event_of_a_view_belongs_to_the_visitor_of_the_cookie(
    shop: tuple[str, str], client: Client, recorder: Recorder
) -> None:
    assert pay(shop, client, cookies=cookie()) == {"id": ANON, "verified": False}
    paid = recorder.event("order_paid")
    assert paid["distinct_id"] == ANON
    properties = paid["properties"]
    assert (properties["plan"], properties["$session_id"], properties["$device_id"]) == ("pro", SESSION, ANON)
    assert (properties["$current_url"], properties["$request_method"]) == ("".join(shop), "POST")
    assert properties["$process_person_profile"] is False


def test_or_of_the_headers_that_the_tag_adds_to_the_sites_own_requests(
    shop: tuple[str, str], client: Client, recorder: Recorder
) -> None:
    headers = {"X-BEKNOWN-DISTINCT-ID": "visitor-7", "X-BEKNOWN-SESSION-ID": SESSION}
    assert pay(shop, client, headers=headers) == {"id": "visitor-7", "verified": False}
    assert recorder.event("order_paid")["properties"]["$session_id"] == SESSION


def test_without_either_the_view_works_and_no_event_is_made_up(
    shop: tuple[str, str], client: Client, recorder: Recorder
) -> None:
    assert pay(shop, client, headers={"X-BEKNOWN-DISTINCT-ID": "undefined"}, cookies={"odd[": "a=b; c"}) == {}
    assert recorder.events == []
    assert visitor() is None


def test_one_request_after_another_is_never_the_others_visitor(
    shop: tuple[str, str], client: Client, recorder: Recorder
) -> None:
    def visit(number: int) -> None:
        with httpx.Client(base_url=shop[0], headers={"X-BEKNOWN-DISTINCT-ID": f"visitor-{number}"}) as browser:
            for _ in range(5):
                answer = browser.post(shop[1], data={"plan": str(number)})
                assert answer.json()["id"] == f"visitor-{number}"

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.flush()
    assert len(recorder.events) == 20
    assert all(event["distinct_id"] == "visitor-" + event["properties"]["plan"] for event in recorder.events)


def test_after_log_in_the_browser_proves_its_id(shop: tuple[str, str], client: Client) -> None:
    url, path = shop
    with httpx.Client(base_url=url, cookies=cookie("ada", identified=True)) as browser:
        if "fastapi" not in str(httpx.get(url + "/openapi.json").text).lower():
            assert browser.post("/login").text == sign("ada", SECRET)
        else:  # Starlette's responses take the same arguments
            browser.cookies.set(f"bk_{KEY}_signature", sign("ada", SECRET))
        assert browser.post(path, data={"plan": "pro"}).json() == {"id": "ada", "verified": True}


def test_a_capture_outside_of_any_request_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match="outside of a request"):
        asgi.capture("order_paid")
    with pytest.raises(RuntimeError, match="no client"):
        in_flask.Beknown().capture("order_paid")
