"""The visitor of each request, in the real frameworks behind real servers: Flask, Django (both kinds), FastAPI."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
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
from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from fastapi import FastAPI, Form
from fastapi.responses import PlainTextResponse, StreamingResponse
from flask import Flask, jsonify, render_template_string, request, send_file

from .conftest import KEY, Recorder, in_a_loop
from .serving import configure_django, uvicorned, wsgi

SECRET = "bks_tests_secret"
ANON, SESSION = "01a20ac2-f41d-71cf-917a-c081a3fe8768", "01a20ac2-f41d-71cf-917a-c081a3fe8769"


def cookie(distinct_id: str = ANON, identified: bool = False) -> dict[str, str]:
    now = time.time() * 1000
    fields = {
        "revision": 3, "device": ANON, "identified": identified, "session": SESSION, "started": now, "active": now,
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

    @app.post("/pay-elsewhere")  # in a file that does not have the application's ``Beknown``
    def pay_elsewhere() -> Any:
        in_flask.capture("order_paid", {"plan": request.form["plan"]})
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

    @app.post("/logout")
    def logout() -> Any:
        response = app.make_response("bye")
        beknown.unvouch(response)
        return response

    @app.get("/file")
    def file() -> Any:
        return send_file(io.BytesIO(b"a receipt"), mimetype="text/plain")

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


def django_logout(request: HttpRequest) -> HttpResponse:
    response = HttpResponse("bye")
    in_django.unvouch(response)
    return response


urlpatterns = [
    path("pay", django_pay),
    path("pay-async", django_pay_async),
    path("pay-streaming", django_pay_streaming),
    path("pay-streaming-async", django_pay_streaming_async),
    path("login", django_login),
    path("logout", django_logout),
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

    @app.post("/pay-in-own-thread")
    def pay_in_own_thread(plan: Annotated[str, Form()]) -> dict[str, Any]:
        thread = threading.Thread(target=asgi.capture, args=("order_paid", {"plan": plan}))
        thread.start()
        thread.join()
        return seen()

    @app.post("/login")
    async def login() -> PlainTextResponse:
        response = PlainTextResponse(asgi.signature("ada"))
        asgi.vouch(response, "ada", secure=False)
        return response

    @app.post("/logout")
    async def logout() -> PlainTextResponse:
        response = PlainTextResponse("bye")
        asgi.unvouch(response)
        return response

    return app


@pytest.fixture
def client(recorder: Recorder) -> Iterator[Client]:
    with Client(KEY, recorder.url) as one:
        yield one


@pytest.fixture
def django_settings(client: Client) -> None:
    configure_django(__name__, client, SECRET)


SHOPS = [
    "flask /pay",
    "flask /pay-elsewhere",
    "django /pay",
    "django-async /pay-async",
    "django-async /pay",
    "fastapi /pay",
]


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
        assert browser.post("/login").text == sign("ada", SECRET)
        assert browser.post(path, data={"plan": "pro"}).json() == {"id": "ada", "verified": True}
        assert browser.post("/logout").text == "bye"
        assert browser.post(path, data={"plan": "pro"}).json() == {"id": "ada", "verified": False}


@pytest.mark.parametrize("shop", ["django-async /pay-async", "fastapi /pay"], indirect=True)
def test_a_browser_may_send_its_cookies_in_several_headers(
    shop: tuple[str, str], client: Client, recorder: Recorder
) -> None:
    [(name, value)] = cookie().items()
    headers = [("Cookie", f"{name}={value}"), ("Cookie", "theme=dark")]  # HTTP/2 allows it, and Chromium does it
    assert pay(shop, client, headers=headers) == {"id": ANON, "verified": False}
    assert pay(shop, client, headers=headers[::-1]) == {"id": ANON, "verified": False}
    assert [event["distinct_id"] for event in recorder.events] == [ANON, ANON]


def test_an_anonymous_visitor_makes_no_profile_by_header_either(
    shop: tuple[str, str], client: Client, recorder: Recorder
) -> None:
    pay(shop, client, headers={"X-BEKNOWN-DISTINCT-ID": ANON, "X-BEKNOWN-IDENTIFIED": "false"})
    assert recorder.event("order_paid")["properties"]["$process_person_profile"] is False


def test_of_a_visitor_who_has_said_no_nothing_is_captured_and_nothing_is_wrong(
    shop: tuple[str, str], client: Client, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Exception] = []
    client.on_error = lambda error, _: told.append(error)
    with caplog.at_level(logging.INFO, logger="beknown"):
        assert pay(shop, client, cookies={f"bk_{KEY}": "denied"}) == {}
    assert (recorder.events, told, caplog.records) == ([], [], [])


@pytest.mark.parametrize("host", ["xn--strae-oqa.de", "xn--a", "["])  # IDNA of 2008, none at all, no host at all
def test_whatever_host_a_request_names_the_view_answers(
    shop: tuple[str, str], client: Client, recorder: Recorder, host: str
) -> None:
    assert pay(shop, client, cookies=cookie(), headers={"Host": host}) == {"id": ANON, "verified": False}
    # Django's settings here allow no other host, and Flask leaves out what is none; then it is left out.
    here = recorder.event("order_paid")["properties"]["$current_url"]
    assert here in (f"http://{host}{shop[1]}", shop[1], "http://" * (host == "[") + shop[1])


def test_a_question_mark_within_a_path_stays_part_of_the_path(client: Client, recorder: Recorder) -> None:
    app = Flask(__name__)
    beknown = in_flask.Beknown(app, client)
    app.add_url_rule("/<path>", view_func=lambda path: beknown.capture("seen") or "")
    app.test_client().get("/a%3Fb%23c%20d", headers={"X-BEKNOWN-DISTINCT-ID": "visitor-7"})
    client.flush()
    assert recorder.event("seen")["properties"]["$current_url"] == "http://localhost/a%3Fb%23c%20d"


@pytest.mark.usefixtures("django_settings")
@pytest.mark.parametrize("path", ["//[", "//elsewhere.example.com/pay"])
def test_a_path_that_looks_like_a_host_is_a_path(client: Client, recorder: Recorder, path: str) -> None:
    request = HttpRequest()
    request.method, request.path = "POST", path
    request.META = {"HTTP_HOST": "127.0.0.1", "HTTP_X_BEKNOWN_DISTINCT_ID": "visitor-7"}
    in_django.middleware(lambda _: HttpResponse(in_django.capture("seen") or ""))(request)
    client.flush()
    assert recorder.event("seen")["properties"]["$current_url"] == "http://127.0.0.1" + path


# Where there is no request ----------------------------------------------------------------------------------------


def test_a_capture_outside_of_any_request_says_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    assert asgi.capture("order_paid") is None
    assert in_flask.capture("order_paid") is None
    assert in_flask.Beknown().capture("order_paid") is None
    advice = ("outside of a request", "no application", "no client")
    assert all(word in text for word, text in zip(advice, caplog.messages, strict=True))
    assert all("'order_paid'" in text for text in caplog.messages)


@pytest.mark.parametrize("shop", ["fastapi /pay-in-own-thread"], indirect=True)
def test_a_thread_of_the_applications_own_is_no_request(
    shop: tuple[str, str], client: Client, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    assert pay(shop, client, cookies=cookie()) == {"id": ANON, "verified": False}
    assert recorder.events == []
    assert any("outside of a request" in text for text in caplog.messages)


def test_what_starts_an_application_is_nobodys(client: Client, recorder: Recorder) -> None:
    told: list[str] = []
    client.on_error = lambda error, _: told.append(str(error))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        assert asgi.capture("started") is None
        yield

    app = FastAPI(lifespan=lifespan)
    app.add_middleware(asgi.Beknown, client=client)
    answers: list[Any] = []

    async def run() -> None:
        asked = iter(["lifespan.startup", "lifespan.shutdown"])

        async def receive() -> dict[str, str]:
            return {"type": next(asked)}

        async def send(answer: Any) -> None:
            answers.append(answer["type"])

        await app({"type": "lifespan", "app": app, "state": {}}, receive, send)

    in_a_loop(run())
    assert answers == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert len(told) == 1
    assert "has no distinct id" in told[0]


def test_without_a_client_the_application_does_not_start() -> None:
    with pytest.raises(RuntimeError, match="no client"):
        in_flask.Beknown(Flask(__name__))


def test_without_a_client_in_the_settings_django_does_not_start(client: Client) -> None:
    configure_django(__name__, client)
    in_django.settings.BEKNOWN_CLIENT = None
    assert in_django.capture("order_paid") is None
    with pytest.raises(ImproperlyConfigured, match="BEKNOWN_CLIENT"):
        get_wsgi_application()


def test_a_servers_own_way_to_send_a_file_stays_open(client: Client) -> None:
    """gunicorn sends by sendfile what it knows as its own wrapper."""

    class Wrapper:
        def __init__(self, file: io.BytesIO, _: int = 0) -> None:
            self.file = file

        def __iter__(self) -> Iterator[bytes]:
            return iter(self.file)

    app = flask_shop(client)
    environ = app.test_request_context("/file").request.environ | {"wsgi.file_wrapper": Wrapper}
    body = app.wsgi_app(environ, lambda *_: lambda _: None)
    assert isinstance(body, Wrapper)
    assert b"".join(body) == b"a receipt"
