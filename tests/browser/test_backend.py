"""The journey through a site with a backend: anonymous in the browser, a form, paid on the server. One person."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from beknown.backend import Client
from beknown.integrations import asgi
from beknown.integrations import django as in_django
from beknown.integrations import flask as in_flask
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import HTMLResponse
from flask import Flask

from ..backend.serving import configure_django, uvicorned, wsgi
from .conftest import KEY, Browser, Collector, Site, tag

USER = "ada@example.com"


class Pages:
    """What the shop shows. The tag stands in every page, as a customer would paste it."""

    tag = ""

    def home(self) -> str:
        return f"{self.tag}<form method=post action=/signup><button>Sign up</button></form>"

    def welcome(self) -> str:
        calls = "(window.beknown ? run() : document.querySelector('script').addEventListener('load', run));"
        script = f"<script>function run() {{ beknown.identify('{USER}', {{name: 'Ada'}}) }} {calls}</script>"
        return f"{self.tag}{script}<form method=post action=/pay><button>Pay</button></form>"

    def thanks(self) -> str:
        return f"{self.tag}<h1>Thank you</h1>"


pages = Pages()


def in_flask_shop(client: Client) -> AbstractContextManager[str]:
    app = Flask(__name__)
    beknown = in_flask.Beknown(app, client)

    @app.get("/")
    def home() -> str:
        return pages.home()

    @app.post("/signup")
    def signup() -> str:
        beknown.capture("signed_up")
        return pages.welcome()

    @app.post("/pay")
    def pay() -> str:
        beknown.capture("order_paid", {"total": 42})
        return pages.thanks()

    return wsgi(app)


def django_signup(_: HttpRequest) -> HttpResponse:
    in_django.capture("signed_up")
    return HttpResponse(pages.welcome())


def django_pay(_: HttpRequest) -> HttpResponse:
    in_django.capture("order_paid", {"total": 42})
    return HttpResponse(pages.thanks())


urlpatterns = [
    path("", lambda _: HttpResponse(pages.home())),
    path("signup", django_signup),
    path("pay", django_pay),
]


def in_django_shop(client: Client) -> AbstractContextManager[str]:
    configure_django(__name__, client)
    return wsgi(get_wsgi_application())


def in_fastapi_shop(client: Client) -> AbstractContextManager[str]:
    app = FastAPI(default_response_class=HTMLResponse)
    app.add_middleware(asgi.Beknown, client=client)

    @app.get("/")
    async def home() -> str:
        return pages.home()

    @app.post("/signup")
    async def signup() -> str:
        asgi.capture("signed_up")
        return pages.welcome()

    @app.post("/pay")
    async def pay() -> str:
        asgi.capture("order_paid", {"total": 42})
        return pages.thanks()

    return uvicorned(app)


@pytest.fixture(params=[in_flask_shop, in_django_shop, in_fastapi_shop], ids=["flask", "django", "fastapi"])
def shop(request: pytest.FixtureRequest, collector: Collector) -> Iterator[str]:
    open_shop: Callable[[Client], AbstractContextManager[str]] = request.param
    pages.tag = tag(collector)
    with Client(KEY, collector.url) as client, open_shop(client) as url:
        yield url


def test_what_browser_and_backend_say_of_a_visitor_is_one_persons_timeline(
    shop: str, collector: Collector, browser: Browser
) -> None:
    page = browser.page()
    page.goto(shop + "/")
    page.wait_for_function("window.beknown && beknown.get_session_id() && document.cookie.includes('bk_')")
    anonymous = page.evaluate("beknown.get_distinct_id()")
    page.click("text=Sign up")
    page.wait_for_function(f"window.beknown && beknown.get_distinct_id() == '{USER}'")
    page.wait_for_function(f"document.cookie.includes('{USER.partition('@')[0]}')")
    page.click("text=Pay")
    page.wait_for_selector("text=Thank you")
    [paid] = collector.wait_for("order_paid")
    [signed_up] = collector.wait_for("signed_up")
    collector.wait_for("$identify")
    collector.wait_for("$pageview", 3)

    ada = collector.person(USER)
    assert set(ada["distinct_ids"]) == {anonymous, USER}
    assert ada["is_identified"]
    assert ada["properties"]["name"] == "Ada"
    assert signed_up["distinct_id"] == anonymous
    assert paid["distinct_id"] == USER  # the first rung of the ladder: the user's own id
    events = collector.events()
    assert {event["person_id"] for event in events} == {ada["person_id"]}
    assert len({event["properties"]["$session_id"] for event in events}) == 1
    assert collector.api("identity/report")["ladder"] == {"1": 1.0, "2": 0.0, "3": 0.0, "4": 0.0}
    timeline: list[Any] = [event["event"] for event in events if not event["event"].startswith("$page")]
    assert timeline == ["signed_up", "$identify", "order_paid"]
    assert signed_up["properties"]["$current_url"] == shop + "/signup"


HEADERS = ["X-BEKNOWN-DISTINCT-ID", "X-BEKNOWN-SESSION-ID", "X-BEKNOWN-IDENTIFIED"]  # as docs/backend.md says


def test_a_backend_on_another_origin_speaks_of_the_same_person(
    collector: Collector, site: Site, browser: Browser
) -> None:
    app = FastAPI()

    @app.post("/{event}")
    async def say(event: str) -> str | None:
        return asgi.capture(event)

    with Client(KEY, collector.url) as client:
        app.add_middleware(asgi.Beknown, client=client)
        app.add_middleware(CORSMiddleware, allow_origins=[site.url], allow_methods=["POST"], allow_headers=HEADERS)
        with uvicorned(app) as url:
            page = browser.page()
            page.goto(site.add("/", tag(collector, tracing_hosts=url.rpartition("/")[2])))
            page.wait_for_function("window.beknown && beknown.get_session_id()")
            page.wait_for_function("fetch.toString().indexOf('native') < 0")
            anonymous = page.evaluate("beknown.get_distinct_id()")
            ask = "url => fetch(url, {method: 'POST'}).then((answer) => answer.json())"
            assert page.evaluate(ask, url + "/signed_up")
            page.evaluate(f"beknown.identify('{USER}'); beknown.flush()")
            page.wait_for_function(f"beknown.get_distinct_id() == '{USER}'")
            assert page.evaluate(ask, url + "/order_paid")
    [signed_up], [paid] = collector.wait_for("signed_up"), collector.wait_for("order_paid")
    assert [event["distinct_id"] for event in (signed_up, paid)] == [anonymous, USER]
    assert signed_up["properties"]["$process_person_profile"] is False
    assert "$process_person_profile" not in paid["properties"]
    events = collector.events()
    assert {event["person_id"] for event in events} == {collector.person(USER)["person_id"]}
    assert len({event["properties"]["$session_id"] for event in events}) == 1
