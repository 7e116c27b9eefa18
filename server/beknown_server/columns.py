"""The columnar copy: what counting reads, kept up to date from the store; a cache that may be deleted at any time.

Rules:
- Each process has an in-memory DuckDB of its own. Events lie in Parquet files that all processes share
  (segments.py); the newest, not yet in a file, lie in a table (replica.py), and are read from the store when someone
  asks: whoever asks gets every event that was acknowledged before.
- What is compared and counted is a number: names of events, sessions and devices by their code (asked.py), ids by
  theirs. The name itself and the properties lie beside them and are read only by the questions that want them.
- Events hold their distinct id; ``ids`` says whose it is now, and since when it is known (which outlives the events
  that a retention period takes out). A merge, its undo or a deletion reaches ``ids`` through the store's log of
  changes, so counting is by the person known now, and the ids of the deleted count no more.
- One reading is one transaction: all its questions see the same events and the same persons.
- Nothing is ever downloaded: DuckDB may use only the extensions in its wheel.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from .errors import TooBusy
from .reading import DISK, MEMORY, THREADS, Reading, changed
from .replica import Replica
from .segments import Segments
from .store import Store

PATIENCE_S = 10.0  # whoever asks waits so long for the copy to catch up
AT_ONCE = 4  # answers of a process: they share its memory and its processors
IN_LINE = 12  # with those that wait for their turn; who else asks is refused at once: threads are the events' too
CLOCKS_MS = 12 * 3600 * 1000  # less than the day by which a retention period changes at least
FORMAT = "7"  # part of the folder's name: a new format starts a new copy

CONFIG: dict[str, Any] = {
    "memory_limit": MEMORY,
    "max_temp_directory_size": DISK,
    "threads": THREADS,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "preserve_insertion_order": False,
}


class Columns:
    """The columnar copies of a store's projects, for one process; threads share it."""

    def __init__(self, store: Store, folder: str | Path) -> None:
        self._store = store
        self._folder = Path(folder)
        self._lock = threading.Lock()
        self._line, self._turns = threading.BoundedSemaphore(IN_LINE), threading.BoundedSemaphore(AT_ONCE)
        self._database: duckdb.DuckDBPyConnection | None = None
        self._copies: dict[int, Replica] = {}

    @contextmanager
    def reading(self, project_id: int) -> Iterator[Reading]:
        """Give what answers questions about one project, as it is now.

        Raises Building while the copy is still being made, TooBusy while too many others ask.
        """
        deadline = time.monotonic() + PATIENCE_S
        copy = self._copy(project_id)
        with _place(self._line, 0):
            copy.catch_up(PATIENCE_S)
            with _place(self._turns, deadline - time.monotonic()):
                connection = _snapshot(copy, deadline)
                try:
                    yield Reading(connection)
                finally:
                    connection.close()

    def progress(self, project_id: int) -> float:
        """Give how much of a project's events is in the copy: 0 to 1. Starts making it if nobody has."""
        return self._copy(project_id).progress()

    def follow(self, project_id: int) -> None:
        """Read on, in a thread, where there is a copy that has fallen behind; nothing is waited for."""
        if project_id in self._copies or self._segments(project_id).all():
            self._copy(project_id).follow()

    def forget(self, project_id: int, distinct_ids: Collection[int]) -> None:
        """Remove the events of deleted ids (by number) from the files. They are not counted any more either way."""
        self._copy(project_id).forget(distinct_ids)

    def forget_before(self, project_id: int, time: int) -> None:
        """Count no event from before a time (ms since 1970; 0: every event counts), wherever this folder is shared.

        A time that is a little earlier than the one before is another process's clock, and changes nothing.
        """
        since = self._segments(project_id).since()
        if not since - CLOCKS_MS < time <= since:
            self._copy(project_id).forget_before(time)

    def close(self) -> None:
        """Let go of the memory. Files stay."""
        with self._lock:
            for copy in self._copies.values():
                copy.stop()
            self._copies = {}
            if self._database is not None:
                self._database.close()
                self._database = None
                shutil.rmtree(self._spill(os.getpid()), ignore_errors=True)

    def _copy(self, project_id: int) -> Replica:
        with self._lock:
            if self._database is None:
                # Made when first asked for, so after a fork: DuckDB's threads do not survive one.
                self._folder.mkdir(parents=True, exist_ok=True)
                self._sweep()
                config = {**CONFIG, "temp_directory": str(self._spill(os.getpid()))}
                self._database = duckdb.connect(":memory:", config=config)
            if project_id not in self._copies:
                segments = self._segments(project_id)
                for other in self._folder.glob(f"{self._database_name}-*"):
                    if other != segments.folder.parent:  # of another version: no deletion reaches it any more
                        shutil.rmtree(other, ignore_errors=True)
                self._copies[project_id] = Replica(self._store, project_id, self._database.cursor(), segments)
            return self._copies[project_id]

    def _segments(self, project_id: int) -> Segments:
        return Segments(self._folder / f"{self._database_name}-{FORMAT}" / str(project_id))

    @cached_property
    def _database_name(self) -> str:
        # The secret is the one thing that two databases at the same address do not share.
        return hashlib.sha256(self._store.site_secret().encode()).hexdigest()[:16]

    def _spill(self, process: int) -> Path:
        return self._folder / f"spill-{process}"

    def _sweep(self) -> None:
        """Remove what processes that were killed had put on disk for want of memory."""
        for path in self._folder.glob("spill-*"):
            with suppress(ValueError, PermissionError):
                try:
                    os.kill(int(path.name.removeprefix("spill-")), 0)
                except ProcessLookupError:
                    shutil.rmtree(path, ignore_errors=True)


def _snapshot(copy: Replica, deadline: float) -> duckdb.DuckDBPyConnection:
    """Give a connection that sees the copy; files that went since it caught up are made again, once."""
    with suppress(duckdb.IOException):
        return copy.snapshot()
    copy.catch_up(deadline - time.monotonic())
    try:
        return copy.snapshot()
    except duckdb.IOException as error:
        raise changed() from error


@contextmanager
def _place(places: threading.Semaphore, patience: float) -> Iterator[None]:
    """Hold one of the places, if one is free within so many seconds."""
    if not places.acquire(timeout=max(patience, 0)):
        advice = "Ask again in a moment, and let a program ask one question after the other."
        raise TooBusy("too_many_questions", "too many others are asking just now.", fix=advice, retry_after=2)
    try:
        yield
    finally:
        places.release()
