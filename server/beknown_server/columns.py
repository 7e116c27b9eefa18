"""The columnar copy: what counting reads, kept up to date from the store; a cache that may be deleted at any time.

Rules:
- Each process has an in-memory DuckDB of its own. Events lie in Parquet files that all processes share
  (segments.py); the newest, not yet in a file, lie in a table, and are read from the store when someone asks.
- Whoever asks gets every event that was acknowledged before: ``reading`` first catches up with the store.
- Events hold their distinct id; ``ids`` says whose it is now. A merge, its undo or a deletion reaches ``ids`` through
  the store's log of changes, so counting is by the person known now, and the ids of the deleted count no more.
- One reading is one transaction: all its questions see the same events and the same persons.
- Nothing is ever downloaded: DuckDB may use only the extensions in its wheel.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import orjson

from .asked import filled
from .errors import TooBusy, Unusable
from .segments import Segments
from .store import Store

PAGE = 20_000  # events read from the store at once
SEGMENT = 100_000  # events in one file, and at most that many (with their properties) in memory
PATIENCE_S = 10.0  # whoever asks waits so long for the copy to catch up
MOST_S = 30.0  # a question that takes longer is stopped
MEMORY = "1GB"  # per process; what needs more goes to disk
FORMAT = "2"  # part of the folder's name: a new format starts a new copy

CONFIG: dict[str, Any] = {
    "memory_limit": MEMORY,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "preserve_insertion_order": False,
}
EVENT = (
    '[{"seq":"BIGINT","timestamp":"BIGINT","event":"VARCHAR","id":"BIGINT","session":"VARCHAR","properties":"VARCHAR"}]'
)
ID = '[{"id":"BIGINT","person":"BIGINT"}]'

_VALUE = re.compile(r"\$(\w+)")


class Columns:
    """The columnar copies of a store's projects, for one process; threads share it."""

    def __init__(self, store: Store, folder: str | Path) -> None:
        self._store = store
        self._folder = Path(folder)
        self._lock = threading.Lock()
        self._database: duckdb.DuckDBPyConnection | None = None
        self._copies: dict[int, Copy] = {}

    @contextmanager
    def reading(self, project_id: int) -> Iterator[Reading]:
        """Give what answers questions about one project, as it is now.

        Raises TooBusy while the copy is still being made (its text says how far it is).
        """
        copy = self._copy(project_id)
        copy.catch_up(PATIENCE_S)
        connection = copy.snapshot()
        try:
            yield Reading(connection)
        finally:
            connection.close()

    def progress(self, project_id: int) -> float:
        """Give how much of a project's events is in the copy: 0 to 1. Starts making it if nobody has."""
        return self._copy(project_id).progress()

    def forget(self, project_id: int, distinct_ids: Sequence[int]) -> None:
        """Remove the events of deleted ids (by number) from the files. They are not counted any more either way."""
        self._copy(project_id).forget(list(distinct_ids))

    def close(self) -> None:
        """Let go of the memory. Files stay."""
        with self._lock:
            for copy in self._copies.values():
                copy.stop()
            self._copies = {}
            if self._database is not None:
                self._database.close()
                self._database = None

    def _copy(self, project_id: int) -> Copy:
        with self._lock:
            if self._database is None:
                # Made when first asked for, so after a fork: DuckDB's threads do not survive one.
                self._folder.mkdir(parents=True, exist_ok=True)
                config = {**CONFIG, "temp_directory": str(self._folder / f"spill-{os.getpid()}")}
                self._database = duckdb.connect(":memory:", config=config)
            if project_id not in self._copies:
                # The secret is the one thing that two databases at the same address do not share.
                database = hashlib.sha256(self._store.site_secret().encode()).hexdigest()[:16]
                segments = Segments(self._folder / f"{database}-{FORMAT}" / str(project_id))
                self._copies[project_id] = Copy(self._store, project_id, self._database.cursor(), segments)
            return self._copies[project_id]


class Copy:
    """One project's copy in this process. ``_lock`` guards tables and numbers; one thread at a time builds."""

    def __init__(
        self, store: Store, project_id: int, connection: duckdb.DuckDBPyConnection, segments: Segments
    ) -> None:
        self._store, self._project_id, self._db, self._segments = store, project_id, connection, segments
        self._schema = f"p{project_id}"
        self._lock = threading.Lock()
        self._builder: threading.Thread | None = None
        self._error: Exception | None = None
        self._stopped = False
        self._files: list[str] = []
        self._base = self._last = self._last_id = 0  # the files' last event, the last event, the last id
        self._change: int | None = None  # the last change of an id's person; None: nothing is read yet
        self._db.execute(f"create schema {self._schema}")
        self._db.execute(
            f"create table {self._schema}.tail (seq bigint, timestamp bigint, event varchar, id bigint, "
            "session varchar, properties varchar)"
        )
        self._db.execute(f"create table {self._schema}.ids (id bigint, person bigint)")

    def catch_up(self, patience: float) -> None:
        """Wait until all is here that was in the store when this was called; raise TooBusy if that takes too long."""
        events, changes = self._store.latest(self._project_id)
        deadline = time.monotonic() + patience
        self._check_files()
        while self._change is None or self._last < events or self._change < changes:
            left = deadline - time.monotonic()
            if left <= 0:
                share = self._share(events)
                raise TooBusy(
                    "columns_building", f"the columnar copy is being made: {share:.0%} is done.", retry_after=2
                )
            builder = self._build()
            builder.join(left)
            if self._error is not None:
                raise self._error

    def progress(self) -> float:
        """Give how much is here, from 0 to 1, and see to it that it becomes more."""
        events, _ = self._store.latest(self._project_id)
        if self._change is None or self._last < events:
            self._build().join(0.1)
            if self._error is not None:
                raise self._error
        return self._share(events)

    def _share(self, events: int) -> float:
        # The ids come after the events; until they are here it is not done.
        return min(1.0 if self._change is not None else 0.99, self._last / events if events else 1.0)

    def snapshot(self) -> duckdb.DuckDBPyConnection:
        """Give a connection in a transaction that sees ``event``: every event with its person."""
        with self._lock:
            connection = self._db.cursor()
            connection.execute("set parquet_metadata_cache = true")  # checked by the files' times: they may be replaced
            connection.begin()
            schema = self._schema
            files = f"select * from read_parquet([{', '.join(self._files)}]) union all " if self._files else ""
            connection.execute(
                "create temp view event as select e.*, i.person "
                f"from ({files}select * from {schema}.tail) e join {schema}.ids i on i.id = e.id"
            )
            connection.execute(f"create temp view ids as select * from {schema}.ids")
            connection.execute("select 1 from ids limit 1")  # the transaction's past begins here
            return connection

    def forget(self, ids: list[int]) -> None:
        """Write the files anew that hold events of these ids."""
        with self._lock, self._segments.writing() as unfinished:
            self._db.execute(f"delete from {self._schema}.tail where id in (select unnest($ids))", {"ids": ids})
            for segment in self._segments.chain():
                place = str(segment.path)
                if self._db.execute(
                    "select 1 from read_parquet($place) where id in (select unnest($ids)) limit 1",
                    {"place": place, "ids": ids},
                ).fetchone():
                    kept = f"select * from read_parquet({_text(place)}) where id not in (select unnest({ids}))"
                    self._write(kept, unfinished, segment.path)

    def stop(self) -> None:
        """End the building and close the connection."""
        self._stopped = True
        if self._builder is not None:
            self._builder.join()
        self._db.close()

    def _build(self) -> threading.Thread:
        with self._lock:
            if self._builder is None or not self._builder.is_alive():
                self._error = None
                self._builder = threading.Thread(target=self._work, name="beknown-columns", daemon=True)
                self._builder.start()
            return self._builder

    def _work(self) -> None:
        try:
            if self._change is None:
                # First the changes' number: what changes while the ids are read is then read again.
                events, change = self._store.latest(self._project_id)
                if (chain := self._segments.chain()) and chain[-1].last > events:
                    self._segments.clear()  # the store was put back to an older state
                self._read_events()
                self._read_ids()
                self._change = change
            else:
                self._read_events()
                self._read_ids()
            self._read_changes()
        except Exception as error:  # the threshold of this thread: whoever waits is told
            self._error = error

    def _read_events(self) -> None:
        self._check_files()
        while not self._stopped:
            after = self._last
            rows = self._store.columns(self._project_id, "event", after=after, limit=PAGE)
            with self._lock:
                if self._last != after:
                    continue  # someone followed the files meanwhile
                self._insert("tail", EVENT, rows)
                self._last = rows[-1][0] if rows else self._last
            self._write_segment()
            if len(rows) < PAGE:
                return

    def _read_ids(self) -> None:
        while not self._stopped:
            rows = self._store.columns(self._project_id, "distinct_id", after=self._last_id, limit=PAGE)
            with self._lock:
                self._insert("ids", ID, rows)
                self._last_id = rows[-1][0] if rows else self._last_id
            if len(rows) < PAGE:
                return

    def _read_changes(self) -> None:
        while not self._stopped and self._change is not None:
            rows = self._store.columns(self._project_id, "moved", after=self._change, limit=PAGE)
            with self._lock:
                # A change of an id that is not here yet is no news: it comes as it is by then.
                now = {number: (found, person) for _, number, found, person in rows if number <= self._last_id}
                self._db.begin()
                self._db.execute(
                    f"delete from {self._schema}.ids where id in (select unnest($ids::bigint[]))", {"ids": list(now)}
                )
                self._insert("ids", ID, [row for row in now.values() if row[0] is not None])
                self._db.commit()
                self._change = rows[-1][0] if rows else self._change
            if len(rows) < PAGE:
                return

    def _insert(self, table: str, shape: str, rows: Sequence[Any]) -> None:
        # One JSON text is by far the fastest way in without numpy or Arrow; bound lists take three times as long.
        if rows:
            names = list(orjson.loads(shape)[0])
            objects = orjson.dumps([dict(zip(names, row, strict=True)) for row in rows]).decode()
            self._db.execute(
                f"insert into {self._schema}.{table} select unnest(from_json($rows, $shape), recursive := true)",
                {"rows": objects, "shape": shape},
            )

    def _check_files(self) -> None:
        """Follow the files: those that another process wrote, and those that someone deleted."""
        with self._lock:
            chain = self._segments.chain()
            end = chain[-1].last if chain else 0
            if end < self._base or end > self._last:  # gone: what they held is read again; or they are ahead
                self._db.execute(f"delete from {self._schema}.tail")
                self._last = end
            elif end > self._base:
                self._db.execute(f"delete from {self._schema}.tail where seq <= $end", {"end": end})
            self._base = end
            self._files = [_text(str(segment.path)) for segment in chain]

    def _write_segment(self) -> None:
        if self._tail() < SEGMENT:
            return
        with self._segments.writing() as unfinished:
            self._check_files()  # another process may have written it while this one waited
            with self._lock:
                if self._tail() >= SEGMENT:
                    rows = f"select * from {self._schema}.tail order by seq"
                    self._write(rows, unfinished, self._segments.place(self._base, self._last))
        self._check_files()

    def _tail(self) -> int:
        found = self._db.execute(f"select count(*) from {self._schema}.tail").fetchone()
        return int(found[0]) if found else 0

    def _write(self, rows: str, unfinished: Path, place: Path) -> None:
        self._db.execute(f"copy ({rows}) to {_text(str(unfinished))} (format parquet, compression lz4)")
        unfinished.replace(place)


class Reading:
    """Answers named questions (questions/*.sql) about one project in one transaction."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def ask(self, question: str, fragments: dict[str, str] | None = None, **values: Any) -> list[tuple[Any, ...]]:
        """Give the rows that answer a question: ``{name}`` is replaced by SQL of ours, ``$name`` by a value.

        Raises Unusable if DuckDB refuses the values (a bad pattern), TooBusy if it takes too much time or memory.
        """
        sql = filled(question, fragments or {})
        used = {name: values[name] for name in set(_VALUE.findall(sql))}
        clock = threading.Timer(MOST_S, self._connection.interrupt)
        clock.daemon = True
        clock.start()
        try:
            return self._connection.execute(sql, used).fetchall()
        except duckdb.InterruptException:
            raise TooBusy("too_long", f"the answer took more than {MOST_S:.0f} s.", fix="Ask for fewer days.") from None
        except duckdb.OutOfMemoryException:
            raise TooBusy("too_much", f"the answer needs more than {MEMORY}.", fix="Ask for fewer days.") from None
        except duckdb.IOException as error:
            raise TooBusy("columns_changed", "the columnar copy was removed just now; it is made again.") from error
        except (duckdb.InvalidInputException, duckdb.OutOfRangeException) as error:
            raise Unusable("bad_question", f"this cannot be asked: {error}.", fix="Mend the filter.") from error
        finally:
            clock.cancel()

    def ids(self) -> list[tuple[int, int | None]]:
        """Give the number of every distinct id, and of its person."""
        return self._connection.execute("select id, person from ids order by id").fetchall()

    def load(self, table: str, columns: str, rows: Sequence[Sequence[Any]]) -> None:
        """Make a table for this reading alone, such as persons' properties: ``columns`` as in from_json."""
        names = list(orjson.loads(columns)[0])
        objects = orjson.dumps([dict(zip(names, row, strict=True)) for row in rows]).decode()
        self._connection.execute(
            f"create or replace temp table {table} as select unnest(from_json($rows, $shape), recursive := true)",
            {"rows": objects, "shape": columns},
        )


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
