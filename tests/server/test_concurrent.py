"""Two processes at once on PostgreSQL, one of them held at the worst moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from beknown_server.store import Claim, Project, Store, arrivals
from beknown_server.store.postgres import Postgres, PostgresConnection

from .conftest import NOW, event

pytestmark = pytest.mark.parametrize("database", ["postgresql"], indirect=True)
LATER = NOW + 1000


@pytest.fixture
def other(database: str) -> Iterator[PostgresConnection]:
    """What another process does in a transaction that goes on until ``commit``."""
    connection = Postgres(database).connect()
    connection.begin()
    yield connection
    connection.close()


def wait_for_one_that_waits(other: PostgresConnection) -> None:
    """Return when somebody waits for a lock that the other process holds."""
    waiting = "select 1 from pg_locks where not granted and pid <> pg_backend_pid()"
    until = time.monotonic() + 20
    while not other._raw.execute(waiting).fetchall():
        assert time.monotonic() < until, "nobody waits"
        time.sleep(0.01)


def test_a_deletion_takes_whom_a_claim_has_joined_meanwhile(
    store: Store, project: Project, other: PostgresConnection
) -> None:
    store.append(project.id, [event("x", "anon-1"), event("x", "ada"), event("x", "ada")], NOW)
    other.lock(project.id)
    deleting = threading.Thread(target=store.corrections.delete, args=(project.id, "anon-1"), kwargs={"now": LATER})
    deleting.start()
    wait_for_one_that_waits(other)
    claim = event("$identify", "ada", NOW + 1, claim=Claim("claim", "anon-1", "ada"))
    arrivals.append(other, project.id, [arrivals.Batch([claim], NOW)])
    other.commit()
    deleting.join()
    assert store.person(project.id, "anon-1") is None
    assert store.person(project.id, "ada") is None
    assert store.recent(project.id) == []
