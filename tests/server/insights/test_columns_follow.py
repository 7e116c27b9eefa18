"""The columnar copy where nobody told it: on another host, after a crash, in a night without questions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from beknown_server import replica
from beknown_server.columns import Columns
from beknown_server.follow import Follower
from beknown_server.site import EXTENSION, Site
from beknown_server.store import Project, Store
from beknown_server.store import store as store_module
from flask import Flask

from ..conftest import BOTH_ENGINES, NOW, event
from .test_columns import MANY, counted, deleted, fill

DAY = 86_400_000


@pytest.fixture
def elsewhere(store: Store, tmp_path: Path) -> Iterator[Columns]:
    """The copy of another host: a folder of its own."""
    made = Columns(store, tmp_path / "elsewhere")
    yield made
    made.close()


def comes(true: Callable[[], bool]) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


def held(columns: Columns, number: int) -> int:
    """Give how many rows of an id the files that count hold."""
    files = [str(segment.path) for segment in columns._segments(1).chain()]
    return int(duckdb.sql(f"select count(*) from read_parquet({files}) where id = {number}").fetchall()[0][0])


@BOTH_ENGINES
@pytest.mark.usefixtures("small")
def test_a_deletion_reaches_the_files_of_another_host(
    store: Store, project: Project, columns: Columns, elsewhere: Columns, database: str
) -> None:
    fill(store, project, 50)
    assert counted(columns, project) == counted(elsewhere, project) == (50, 10)
    number = deleted(database, project, "v3")
    assert held(elsewhere, number) == 4
    columns.forget(project.id, [number])
    elsewhere.follow(project.id)  # nobody asks there
    comes(lambda: held(elsewhere, number) == 0)
    assert counted(elsewhere, project) == (45, 9)


@BOTH_ENGINES
@pytest.mark.usefixtures("small")
def test_who_was_deleted_while_no_process_ran_leaves_the_files(
    store: Store, project: Project, columns: Columns, database: str
) -> None:
    fill(store, project, 50)
    assert counted(columns, project) == (50, 10)
    columns.close()
    number = deleted(database, project, "v3")  # and this process died before it told the copy
    assert held(columns, number) == 4
    again = Columns(store, columns._folder)
    again.follow(project.id)
    comes(lambda: held(again, number) == 0)
    assert counted(again, project) == (45, 9)
    again.close()


@BOTH_ENGINES
@pytest.mark.usefixtures("small")
def test_what_counts_again_after_a_longer_retention_period(store: Store, project: Project, columns: Columns) -> None:
    fill(store, project, 50)
    other = Columns(store, columns._folder)
    columns.forget_before(project.id, NOW + 30)
    fill(store, project, 50, start=50)
    assert counted(columns, project) == counted(other, project) == (70, 10)
    columns.forget_before(project.id, NOW - DAY)
    assert counted(columns, project) == counted(other, project) == (100, 10)  # it had not left the store yet
    columns.forget_before(project.id, NOW + 95)
    columns.forget_before(project.id, 0)
    store.append(project.id, [event("view", "v1", NOW - 700 * DAY)], NOW)
    assert counted(columns, project) == counted(other, project) == (101, 10)
    other.close()


@BOTH_ENGINES
@pytest.mark.usefixtures("small")
def test_much_that_is_new_is_read_before_anybody_asks(
    store: Store, project: Project, columns: Columns, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns.follow(project.id)
    assert columns._copies == {}  # nobody ever asked
    assert counted(columns, project) == (0, 0)
    fill(store, project, 95, visitors=MANY)
    columns.follow(project.id)
    copy = columns._copies[project.id]
    comes(lambda: copy._ready == 95)
    asked: list[str] = []
    real = store.columns
    monkeypatch.setattr(store, "columns", lambda *args, **more: asked.append(args[1]) or real(*args, **more))  # type: ignore[func-returns-value]
    fill(store, project, 5)
    columns.follow(project.id)
    comes(lambda: copy._builder is not None and not copy._builder.is_alive())
    assert asked == []  # so little can wait for a question
    assert counted(columns, project) == (100, 95)
    assert set(asked) == {"event", "distinct_id", "moved"}
    other = Columns(store, columns._folder)
    fill(store, project, 95)
    other.follow(project.id)
    assert other._copies[project.id]._builder is None  # one process does it for all that share the files
    columns.close()
    other.follow(project.id)
    comes(lambda: other._copies[project.id]._ready == 195)
    other.close()


@pytest.mark.usefixtures("small")
def test_who_ends_waits_for_what_the_thread_that_reads_begins_last(
    store: Store, project: Project, columns: Columns, monkeypatch: pytest.MonkeyPatch, database: str
) -> None:
    fill(store, project, 50)
    assert counted(columns, project) == (50, 10)
    comes(lambda: columns._copies[project.id]._is_swept)
    copy = columns._copies[project.id]
    deleted(database, project, "v3")
    copy._cleaner = None  # as where nobody was deleted before
    reads, goes_on, done = threading.Event(), threading.Event(), list[str]()
    real, forget_gone = copy._write_ids, copy._forget_gone

    def slow() -> None:
        reads.set()
        assert goes_on.wait(10)
        real()

    monkeypatch.setattr(copy, "_write_ids", slow)
    monkeypatch.setattr(copy, "_forget_gone", lambda: [time.sleep(0.2), forget_gone(), done.append("forgotten")])
    copy._build()
    assert reads.wait(10)
    closing = threading.Thread(target=columns.close)
    closing.start()
    comes(lambda: copy._stopped)
    time.sleep(0.1)
    goes_on.set()
    closing.join()
    assert done == ["forgotten"]


@pytest.mark.usefixtures("small")
def test_the_thread_that_follows_reads_by_itself_and_ends_when_told(app: Flask, store: Store, project: Project) -> None:
    site: Site = app.extensions[EXTENSION]
    assert counted(site.columns, project) == (0, 0)
    fill(store, project, 95)
    follower = Follower(site, every_s=0.01)
    follower.start()
    comes(lambda: site.columns._copies[project.id]._ready == 95)
    follower.stop()
    site.columns.close()


@BOTH_ENGINES
def test_large_events_are_read_few_at_a_time(
    store: Store, project: Project, columns: Columns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "PAGE_SIZE", 2500)
    monkeypatch.setattr(replica, "SEGMENT_BYTES", 6000)
    sizes: list[int] = []
    real = store.columns

    def columns_of(*args: Any, **more: Any) -> list[tuple[Any, ...]]:
        rows = real(*args, **more)
        sizes.extend([len(rows)] if args[1] == "event" else [])
        return rows

    monkeypatch.setattr(store, "columns", columns_of)
    lengths = [1000] * 9 + [1] * 21 + [9000]
    rows = [event("view", f"v{n}", properties={"text": "x" * length}) for n, length in enumerate(lengths)]
    store.append(project.id, rows, NOW)
    assert counted(columns, project) == (31, 31)
    assert sizes == [3, 3, 3, 21 + 1]
    assert len(list(columns._folder.rglob("0*-*.parquet"))) == 2
