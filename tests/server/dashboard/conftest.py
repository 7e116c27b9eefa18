"""A dashboard over a real SQLite file: an application with its store, ways to fill it, and a browser-like client."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from beknown_server import Settings, create_app
from beknown_server.store import Claim, Event, Project, open_store
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

WRITE_KEY = "bk_dashboardtests"
SECRET_KEY = "bks_dashboardtests"
NOW = 1_795_474_800_000  # 2026-11-23T23:00:00Z


class Dashboard:
    """The application under test and what it holds."""

    def __init__(self, database: str, *, demo: bool) -> None:
        self.store = open_store(database)
        self.store.migrate()
        self.project: Project = self.store.create_project("Tests", WRITE_KEY, SECRET_KEY, NOW)
        self.app: Flask = create_app(Settings(database=database), store=self.store, demo=demo)

    def happens(self, event: str, distinct_id: str, *, at: int = NOW, session: str | None = "s-1", **more: Any) -> None:
        """Store one event; ``anon`` makes it an identify that claims this anonymous id, ``set_`` sets properties."""
        anonymous, set_ = more.pop("anon", None), more.pop("set_", {})
        properties = {**more, "$anon_distinct_id": anonymous} if anonymous else more
        claim = Claim("claim", anonymous, distinct_id) if anonymous else None
        new = Event(str(uuid4()), event, distinct_id, at, properties, set_=set_, session_id=session, claim=claim)
        self.store.append(self.project.id, [new], at)

    def client(self) -> FlaskClient:
        """Give a browser that is not logged in."""
        return self.app.test_client()

    def signed_in(self) -> FlaskClient:
        """Give a browser that has logged in with the secret key."""
        client = self.client()
        assert log_in(client, SECRET_KEY).status_code == 303
        return client


def log_in(client: FlaskClient, key: str, **fields: str) -> TestResponse:
    """Fill in the log-in form as a browser does."""
    csrf = csrf_of(client.get("/login").text)
    return client.post("/login", data={"csrf": csrf, "secret_key": key, **fields})


def csrf_of(page: str) -> str:
    """Give the token in a page's form."""
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found, page
    return found[1]


@pytest.fixture
def dashboard(database: str) -> Iterator[Dashboard]:
    made = Dashboard(database, demo=False)
    yield made
    made.store.close()


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Dashboard]:
    made = Dashboard(f"sqlite:///{tmp_path / 'beknown.db'}", demo=True)
    yield made
    made.store.close()


@pytest.fixture
def ada(dashboard: Dashboard) -> Dashboard:
    """Ada came without a name, read the prices, and signed up."""
    dashboard.happens("$pageview", "anon-0001", at=NOW - 90_000, **{"$pathname": "/"})
    dashboard.happens("$pageview", "anon-0001", at=NOW - 60_000, **{"$pathname": "/pricing"})
    person = {"name": "Ada Lovelace", "plan": "pro"}
    dashboard.happens("$identify", "ada", at=NOW - 30_000, anon="anon-0001", set_=person)
    dashboard.happens("Signed up", "ada", at=NOW - 29_000, plan="pro")
    dashboard.happens("invoice paid", "ada", at=NOW - 1_000, session=None, amount=39)
    return dashboard
