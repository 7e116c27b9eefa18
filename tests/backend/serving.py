"""Real servers for applications of either kind, in a thread, on a free port."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
import uvicorn
from beknown.backend import Client
from django.conf import settings
from django.urls import clear_url_caches


@contextmanager
def wsgi(app: Any) -> Iterator[str]:
    class Quiet(WSGIRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    server = make_server("127.0.0.1", 0, app, handler_class=Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def uvicorned(app: Any) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def configure_django(urls: str, client: Client, secret_key: str = "") -> None:
    """Set up Django once, and what differs between sites each time. ``urls``: the module with ``urlpatterns``."""
    if not settings.configured:
        settings.configure(
            ALLOWED_HOSTS=["127.0.0.1"], MIDDLEWARE=["beknown.integrations.django.middleware"], ROOT_URLCONF=urls
        )
        django.setup()
    settings.ROOT_URLCONF, settings.BEKNOWN_CLIENT, settings.BEKNOWN_SECRET_KEY = urls, client, secret_key
    clear_url_caches()
