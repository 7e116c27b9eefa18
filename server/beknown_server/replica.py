"""One project's columnar copy in one process: its files, the newest rows, the persons, and how it follows the store.

Rules:
- What the store has and the copy has not is read in pages when someone asks, by one thread at a time; full pieces
  of it become files. Nothing is in the files and in ``tail`` both: rows leave it when a file has them.
- The store numbers events and changes of persons as they arrive. Before a file is written the changes are read, so no
  event of a deleted id gets into a file that outlives the deletion.
- Files that hold somebody whose deletion the changes tell of are written anew here too: they may lie on another host
  than the one that was told to delete. What was missed while no process ran is looked for once.
- ``_lock`` guards tables and numbers. Whoever needs the files' lock (Segments.writing) too takes that one first.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection
from contextlib import ExitStack, suppress
from pathlib import Path

import duckdb

from . import parquet
from .errors import Building
from .parquet import EVENT, ID
from .segments import GRACE_S, Segment, Segments
from .store import Store

PAGE = 20_000  # events read from the store at once
SEGMENT, SEGMENT_BYTES = 100_000, 200_000_000  # events in one file, or of properties; about as much is in memory

log = logging.getLogger("beknown.columns")


class Replica:
    """One project's copy in this process; threads share it."""

    def __init__(
        self, store: Store, project_id: int, connection: duckdb.DuckDBPyConnection, segments: Segments
    ) -> None:
        self._store, self._project_id, self._db, self._segments = store, project_id, connection, segments
        self._schema = f"p{project_id}"
        self._lock = threading.Lock()
        self._builder: threading.Thread | None = None
        self._error: Exception | None = None
        self._stopped = False
        self._tidying: threading.Timer | None = None
        self._cleaner: threading.Thread | None = None
        self._gone: set[int] = set()  # deleted ids that files may still hold
        self._is_swept = False  # files were looked through for ids that were deleted while nobody ran
        self._files: list[str] = []
        self._since = 0  # events before this time are forgotten
        self._base = self._last = self._last_id = 0  # the files' last event, the last event, the last id
        self._change: int | None = None  # the last change of an id's person that was read; None: none yet
        self._ready = -1  # events up to this one are here, and their ids; -1: none yet, nor any ids
        self._kept_id = self._kept_change = 0  # those of the newest file of ids
        self._db.execute(f"create schema {self._schema}")
        for table, shape in (("tail", EVENT), ("ids", ID)):
            columns = ", ".join(f"{name} {kind}" for name, kind in shape.items())
            self._db.execute(f"create table {self._schema}.{table} ({columns})")

    def catch_up(self, patience: float) -> None:
        """Wait until all is here that was in the store when this was called; raise Building if that takes too long."""
        self._segments.tidy()
        events, changes = self._store.latest(self._project_id)
        deadline = time.monotonic() + patience
        self._check_files()
        while not self._has(events, changes):
            left = deadline - time.monotonic()
            self._build().join(max(left, 0))  # also for those without patience: they come again and find more done
            if self._error is not None:
                raise self._error
            if left <= 0 and not self._has(events, changes):
                raise Building(self._share(events))

    def progress(self) -> float:
        """Give how much is here, from 0 to 1, and see to it that it becomes more."""
        events, changes = self._store.latest(self._project_id)
        if not self._has(events, changes):
            self._build().join(0.1)
            if self._error is not None:
                raise self._error
        return self._share(events)

    def _has(self, events: int, changes: int) -> bool:
        return self._ready >= events and self._change is not None and self._change >= changes

    def _share(self, events: int) -> float:
        # The ids come after the events; until they are here it is not done.
        return min(1.0 if self._ready >= events else 0.99, self._last / events if events else 1.0)

    def snapshot(self) -> duckdb.DuckDBPyConnection:
        """Give a connection in a transaction that sees ``event``, with persons; raise IOException if a file is gone."""
        with self._lock, ExitStack() as failing:
            connection = self._db.cursor()
            failing.callback(connection.close)
            connection.execute("set parquet_metadata_cache = true")  # files never change
            connection.begin()
            schema = self._schema
            files = f"select * from read_parquet([{', '.join(self._files)}]) union all " if self._files else ""
            since = f" where e.timestamp >= {self._since}" if self._since else ""
            connection.execute(
                "create temp view event as select e.*, i.person "
                f"from ({files}select * from {schema}.tail) e join {schema}.ids i on i.id = e.id{since}"
            )
            connection.execute(f"create temp view ids as select * from {schema}.ids")
            connection.execute("select 1 from ids limit 1")  # the transaction's past begins here
            failing.pop_all()
            return connection

    def follow(self) -> None:
        """Begin to read on if much is new, or somebody was deleted: the less waits whoever asks.

        One process does it for all that share the files; what it has read is in them for the others, but for the last.
        """
        if not self._segments.leads():
            return
        self._check_files()
        events, changes = self._store.latest(self._project_id)
        change = self._change or 0
        much = self._ready < 0 or max(events - self._ready, changes - change) > PAGE
        if much or (changes > change and self._store.deletions(self._project_id, change)[1]):
            self._build()

    def forget(self, ids: Collection[int]) -> None:
        """Write the files anew that hold events of these ids."""
        with self._lock:
            self._drop(ids)
        unwanted = parquet.among(ids)
        for after in [segment.after for segment in self._segments.chain()]:
            with self._segments.writing() as unfinished:  # one by one: others have files to write too
                for segment in self._segments.chain():
                    if segment.after == after and not self._stopped:
                        self._rewrite(segment, unwanted, unfinished)
        with self._segments.writing():
            chain = self._segments.chain()
            for segment in self._segments.all():
                if not any(one.covers(segment) for one in chain):
                    segment.path.unlink(missing_ok=True)  # it may count again one day, and nobody reads it now
        self._tidy_later()

    def forget_before(self, time: int) -> None:
        """Count no event from before a time, and every one from then on; write the files anew that hold earlier ones.

        Files that hold nothing else become one empty file.
        """
        with self._segments.writing() as unfinished:
            self._segments.forget_before(time)
            empty = 0
            for segment in self._segments.chain():
                left = self._rewrite(segment, f"timestamp < {time}", unfinished)
                if not left and segment.after == empty:
                    empty = segment.last
            if empty and not any((one.after, one.last) == (0, empty) for one in self._segments.all()):
                nothing = f"{self._schema}.tail where false"
                parquet.write(self._db.cursor(), nothing, unfinished)
                unfinished.replace(self._segments.place(0, empty))
        self._check_files()
        self._tidy_later()

    def stop(self) -> None:
        """End the building and close the connection."""
        self._stopped = True
        if self._builder is not None:
            self._builder.join()
        if self._cleaner is not None:  # looked at only now: the other one may just have begun it
            self._cleaner.join()
        if self._tidying is not None:
            self._tidying.cancel()
            self._segments.tidy(grace=0)  # nothing that was forgotten outlives the process that forgot it
        self._segments.leave()
        self._db.close()

    def _tidy_later(self) -> None:
        self._tidying = threading.Timer(GRACE_S + 1, self._segments.tidy)
        self._tidying.daemon = True
        self._tidying.start()

    def _build(self) -> threading.Thread:
        with self._lock:
            if self._builder is None or not self._builder.is_alive():
                self._error = None
                self._builder = threading.Thread(target=self._work, name="beknown-columns", daemon=True)
                self._builder.start()
            return self._builder

    def _work(self) -> None:
        try:
            # First the numbers: what changes while events and ids are read is then read again.
            events, change = self._store.latest(self._project_id)
            if self._change is None:
                self._mend_past(events)
                self._load_ids(change)
            self._read_events(events)
            last = self._last  # files may lead it on from here, to events whose ids are not read below
            self._read_ids()
            self._read_changes()
            with self._lock:
                if not self._stopped:
                    self._ready = min(last, self._last)  # or files are gone meanwhile
            self._write_ids()
            self._clean()
        except Exception as error:  # the threshold of this thread: whoever waits is told
            self._error = error

    def _clean(self) -> None:
        """Have the deleted leave the files, while others ask."""
        if (self._gone or not self._is_swept) and not (self._cleaner and self._cleaner.is_alive()):
            self._cleaner = threading.Thread(target=self._forget_gone, name="beknown-forgetting", daemon=True)
            self._cleaner.start()

    def _forget_gone(self) -> None:
        with self._lock:
            gone, self._gone = self._gone, set()
        try:
            if not self._is_swept:
                with self._lock:
                    files, ready = self._files, self._ready
                gone |= parquet.unknown(self._db, files, f"{self._schema}.ids", ready)
            if gone:
                self.forget(gone)
            self._is_swept = True
        except Exception:  # the threshold of this thread: a file was taken away meanwhile, or the disk is full
            log.exception("files could not be written anew without the deleted; trying again")
            with self._lock:
                self._gone |= gone

    def _mend_past(self, events: int) -> None:
        """Remove files that tell of another past than the store's: it was put back to an older state meanwhile."""
        chain = self._segments.chain()
        if not chain:
            return
        found = self._db.execute(f"select * from {parquet.file(chain[-1].path)} order by seq desc limit 1").fetchone()
        if found:
            known = self._store.columns(self._project_id, "event", after=found[0] - 1, limit=1)
            if known and known[0][0] == found[0] and parquet.coded(known[0]) != found:
                self._segments.clear()
        if chain[-1].last > events:  # the newest were deleted, or never happened: that file is written again
            self._segments.clear(events)

    def _read_events(self, until: int) -> None:
        self._check_files()
        while not self._stopped and self._last < until:  # what comes meanwhile is for the next time
            after = self._last
            rows = self._store.columns(self._project_id, "event", after=after, limit=PAGE)
            with self._lock:
                if self._last != after:
                    continue  # someone followed the files meanwhile
                parquet.insert(self._db, f"{self._schema}.tail", EVENT, [parquet.coded(row) for row in rows])
                self._last = rows[-1][0] if rows else until  # the last ones were deleted
            self._write_segment()

    def _load_ids(self, change: int) -> None:
        """Begin with the ids of the file, if there is one, and with all that changed since it was written."""
        found = self._segments.ids()
        with self._lock, suppress(duckdb.IOException):  # another process may just have written a newer one
            if found and found.change <= change:
                self._db.execute(f"insert into {self._schema}.ids select * from {parquet.file(found.path)}")
                self._last_id = self._kept_id = found.last
                change = found.change
        self._change = self._kept_change = change

    def _write_ids(self) -> None:
        """Write the ids when much is new, for processes that start later."""
        if self._change is None or self._last_id - self._kept_id + self._change - self._kept_change < SEGMENT:
            return
        with self._segments.writing() as unfinished, self._lock:
            parquet.write(self._db, f"{self._schema}.ids", unfinished, order="id")
            self._segments.keep_ids(self._change, self._last_id, unfinished)
            self._kept_id, self._kept_change = self._last_id, self._change

    def _read_ids(self) -> None:
        while not self._stopped:
            rows = self._store.columns(self._project_id, "distinct_id", after=self._last_id, limit=PAGE)
            with self._lock:
                parquet.insert(self._db, f"{self._schema}.ids", ID, rows)
                self._last_id = rows[-1][0] if rows else self._last_id
            if len(rows) < PAGE:
                return

    def _read_changes(self) -> None:
        while not self._stopped and self._change is not None:
            rows = self._store.columns(self._project_id, "moved", after=self._change, limit=PAGE)
            with self._lock:
                gone = {number for _, number, found, *_ in rows if found is None}
                self._drop(gone)
                self._gone |= gone
                # A change of an id that is not here yet is no news: it comes as it is by then.
                now = {number: (found, *rest) for _, number, found, *rest in rows if number <= self._last_id}
                self._db.begin()
                self._db.execute(
                    f"delete from {self._schema}.ids where id in (select unnest($ids::bigint[]))", {"ids": list(now)}
                )
                parquet.insert(self._db, f"{self._schema}.ids", ID, [row for row in now.values() if row[0] is not None])
                self._db.commit()
                self._change = rows[-1][0] if rows else self._change
            if len(rows) < PAGE:
                return

    def _drop(self, ids: Collection[int]) -> None:
        """Remove the newest events of ids."""
        if ids:
            self._db.execute(f"delete from {self._schema}.tail where {parquet.among(ids)}")

    def _check_files(self) -> None:
        """Follow the files: those that another process wrote, those that someone deleted, the time of forgetting."""
        with self._lock:
            chain, since = self._segments.chain(), self._segments.since()
            end = chain[-1].last if chain else 0
            # They are gone, or lack what was forgotten and is not any more: it is read again; or they are ahead.
            if end < self._base or end > self._last or since < self._since:
                self._db.execute(f"delete from {self._schema}.tail")
                self._last, self._ready = end, min(self._ready, end)
            elif end > self._base:
                self._db.execute(f"delete from {self._schema}.tail where seq <= $end", {"end": end})
            if since > self._since:
                self._db.execute(f"delete from {self._schema}.tail where timestamp < $since", {"since": since})
            self._base, self._since = end, since
            self._files = [parquet.quoted(segment.path) for segment in chain]

    def _write_segment(self) -> None:
        if not self._is_full():
            return
        with self._segments.writing() as unfinished:
            self._check_files()  # another process may have written it while this one waited
            self._read_changes()
            with self._lock:
                if self._is_full():
                    rows = f"{self._schema}.tail where timestamp >= {self._since}"
                    parquet.write(self._db, rows, unfinished)
                    unfinished.replace(self._segments.place(self._base, self._last))
            self._segments.tidy()
        self._check_files()

    def _rewrite(self, segment: Segment, unwanted: str, unfinished: Path) -> int:
        """Write a file anew without some rows, if it has any of them; give how many are left."""
        with self._db.cursor() as connection:
            left, is_written = parquet.left_of(connection, segment.path, unwanted, unfinished)
        if is_written:
            unfinished.replace(self._segments.place(segment.after, segment.last, segment.version + 1))
        return left

    def _is_full(self) -> bool:
        """Tell whether the newest rows make a file."""
        with self._db.cursor() as connection:
            sql = f"select count(*), coalesce(sum(strlen(properties)), 0) from {self._schema}.tail"
            rows, size = connection.execute(sql).fetchall()[0]
        return bool(rows >= SEGMENT or size >= SEGMENT_BYTES)
