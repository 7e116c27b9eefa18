"""Two processes at once on PostgreSQL, one of them held at the worst moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from beknown_server.store import Claim, Project, Store, arrivals, corrections, warnings
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


def wait_until(so: Callable[[], Any]) -> None:
    until = time.monotonic() + 20
    while not so():
        assert time.monotonic() < until
        time.sleep(0.005)


def wait_for_one_that_waits(other: PostgresConnection) -> None:
    """Return when somebody waits for a lock that the other process holds."""
    waiting = "select 1 from pg_locks where not granted and pid <> pg_backend_pid()"
    wait_until(lambda: other._raw.execute(waiting).fetchall())


@contextmanager
def in_one_group(store: Store, *works: Callable[[], Any]) -> Iterator[list[Future[Any]]]:
    """Have the store do this in one transaction, in the order of the projects; all of it is done in the end."""
    writer, release = store._writer, threading.Event()
    with ThreadPoolExecutor(len(works) + 1) as pool:
        pool.submit(writer.run, lambda _: release.wait(20))
        wait_until(lambda: writer._waiting == 0 and not writer._jobs)
        given = []
        for work in works:
            before = len(writer._jobs)
            given.append(pool.submit(work))
            wait_until(lambda before=before: len(writer._jobs) > before)
        release.set()
        yield given


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


def test_who_counts_warnings_and_who_deletes_whom_they_quote_do_not_wait_for_each_other(
    store: Store, project: Project, other: PostgresConnection
) -> None:
    store.append(project.id, [event("x", "ada")], NOW)
    store.warn(project.id, "junk_id", "'null' as 'ada'", "Mend it.", NOW)
    assert len(store.warnings(project.id)) == 1
    other.lock(project.id)
    works = (
        lambda: store.warn(project.id, "junk_id", "'null' as 'bob'", "Mend it.", NOW),
        lambda: store.append(project.id, [event("x", "bob")], NOW),
    )
    with in_one_group(store, *works) as given:
        wait_for_one_that_waits(other)
        corrections.delete(other, project.id, "ada", now=LATER)
        other.commit()
        assert given[1].result().stored == 1
    assert [(one.count, one.example) for one in store.warnings(project.id)] == [(2, "'null' as 'bob'")]


def test_who_deletes_and_who_counts_for_another_project_do_not_wait_for_each_other(
    store: Store, project: Project, other: PostgresConnection
) -> None:
    second = store.create_project("Second", "bk_second", "bks_second", NOW)
    store.append(project.id, [event("x", "ada")], NOW)
    store.warn(None, "unknown_key", "ada", "Mend it.", NOW)
    assert len(store.warnings(project.id)) == 1
    other.lock(second.id)
    works = (
        lambda: store.corrections.delete(project.id, "ada", now=LATER),
        lambda: store.append(second.id, [event("x", "bob")], NOW),
    )
    with in_one_group(store, *works) as given:
        wait_for_one_that_waits(other)
        row = {"project_id": 0, "code": "unknown_key", "count": 1, "example": "bob", "fix": "Mend it."}
        warnings.count(other, [{**row, "first_seen": NOW, "last_seen": NOW}])
        other.commit()
        assert given[0].result().events == 1
        assert given[1].result().stored == 1
