"""SQLite: one file, one writer at a time, any number of readers.

Rules:
- WAL with ``synchronous=FULL``: what was committed survives a power cut. Group commit (writer.py) pays for it.
- ``BEGIN IMMEDIATE``: a writer takes its place before it reads, so two processes never decide on the same past.
- Writers stand in line at a lock on a file beside the database: whoever waits is woken the moment it is free. SQLite
  itself would have them look again after ever longer pauses, which starves the one that comes second.
- The only file that imports ``sqlite3``.
"""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeVar

from ..errors import Misconfigured, TooBusy
from . import question

BUSY_MS = 5000  # how long a writer waits for another process's transaction
CHECKPOINT_PAGES = 4000  # 16 MiB of log between checkpoints; the default of 1000 costs a third of the throughput
STATEMENTS = 4 * question.MOST_ROWS  # kept prepared per connection: an INSERT of 7 rows is another than one of 8
BACKUP_PAGES = 2000  # copied at a time
CACHE_KIB = 8192  # per connection, of which there is one per busy thread

T = TypeVar("T")

_WAITING = ("locked", "busy")


class Sqlite:
    """A database file; ``connect`` opens it."""

    def __init__(self, url: str) -> None:
        path = url.removeprefix("sqlite:///")
        if path == url or path in ("", ":memory:"):
            raise Misconfigured(f"{url!r} names no file. Write sqlite:///beknown.db, or sqlite:////absolute/path.db.")
        self.path = Path(path)

    @property
    def alembic_url(self) -> str:
        """Give the address under which SQLAlchemy knows the same file."""
        return f"sqlite:///{self.path}"

    def prepare(self) -> None:
        """Make the file, in WAL mode from the first moment, and the folder that it lies in."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Misconfigured(f"the folder {self.path.parent} cannot be made: {error}.") from error
        self.connect().close()

    def connect(self) -> SqliteConnection:
        """Open the file. Raises Misconfigured if it cannot be opened."""
        try:
            raw = sqlite3.connect(
                self.path,
                isolation_level=None,
                check_same_thread=False,
                timeout=BUSY_MS / 1000,
                cached_statements=STATEMENTS,
            )
            raw.row_factory = sqlite3.Row
            self._in_wal_mode(raw)
            raw.execute("pragma synchronous = full")
            raw.execute(f"pragma wal_autocheckpoint = {CHECKPOINT_PAGES}")
            raw.execute(f"pragma cache_size = -{CACHE_KIB}")
            raw.execute("pragma foreign_keys = on")
            raw.execute("pragma secure_delete = on")  # what is deleted is overwritten: only some builds do so unasked
        except (sqlite3.Error, OSError) as error:
            if any(word in str(error) for word in _WAITING):
                raise TooBusy("store_busy", f"another process holds the database: {error}.") from error
            raise Misconfigured(f"the database file {self.path} cannot be opened: {error}.") from error
        return SqliteConnection(raw, self._line())

    def _line(self) -> Line:
        return Line(self.path.with_name(self.path.name + "-line"))

    def _in_wal_mode(self, raw: sqlite3.Connection) -> None:
        """Change a new file's mode, one process after the other: SQLite does not wait where two do so at once."""
        if raw.execute("pragma journal_mode").fetchone()[0] == "wal":
            return
        line = self._line()
        line.enter()
        try:
            raw.execute("pragma journal_mode = wal")
        finally:
            line.close()

    def backup(self, path: Path, told: Callable[[float], None]) -> None:
        """Copy the database as it is at one moment to a new file, while others write. ``told`` how much is done.

        Raises Misconfigured if that file exists, or cannot be written.
        """
        if path.exists():
            raise Misconfigured(f"{path} exists already; a backup goes into a new file.")
        unfinished = path.with_name(path.name + ".unfinished")
        source = self.connect()
        try:
            source.copy_to(unfinished, told)
            unfinished.replace(path)
        except (sqlite3.Error, OSError) as error:
            raise Misconfigured(f"the backup {path} cannot be written: {error}.") from error
        finally:
            unfinished.unlink(missing_ok=True)
            source.close()


class Line:
    """Where writers of all processes wait for their turn. The system lets go of it when a process dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def enter(self) -> None:
        """Wait until nobody else writes."""
        if self._file is None:
            self._file = self._path.open("ab")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def leave(self) -> None:
        """Let the next one write."""
        if self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()


class SqliteConnection:
    """One connection: named questions in, rows out. Not for two threads at once."""

    def __init__(self, raw: sqlite3.Connection, line: Line) -> None:
        self._raw = raw
        self._line = line

    def all(self, name: str, /, **values: Any) -> list[Any]:
        """Give the rows that answer a named question."""
        sql, flat = question.bound(question.text(name), values)
        return self._guarded(lambda: self._raw.execute(sql, flat).fetchall())

    def many(self, name: str, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Run a named statement once for each of the rows, an INSERT for many at once; give what it returns, if it
        does."""
        sql = question.text(name)
        columns = question.columns(sql)
        returned: list[Any] = []
        if rows and not columns:
            self._guarded(lambda: self._raw.executemany(sql, rows))
        # The driver lets go of the interpreter at each step, and threads that compute keep it for 5 ms: many rows in
        # one step is many times as fast as many steps.
        for start in range(0, len(rows) if columns else 0, question.MOST_ROWS):
            piece = rows[start : start + question.MOST_ROWS]
            values = [row[column] for row in piece for column in columns]
            returned += self._guarded(partial(self._rows, question.of_rows(sql, len(piece)), values))
        return returned

    def begin(self) -> None:
        """Start a transaction that may write."""
        self._guarded(self._line.enter)
        try:
            self._guarded(lambda: self._raw.execute("begin immediate"))
        except BaseException:
            self._line.leave()
            raise

    def lock(self, project_id: int) -> None:
        """Keep others from changing the project until the end: ``begin immediate`` has done so already."""

    def commit(self) -> None:
        """Make it durable."""
        self._guarded(lambda: self._raw.execute("commit"))
        self._line.leave()

    def rollback(self) -> None:
        """Forget the transaction, if there is one."""
        try:
            if self._raw.in_transaction:
                self._raw.execute("rollback")
        finally:
            self._line.leave()

    def copy_to(self, path: Path, told: Callable[[float], None]) -> None:
        """Copy the whole database as this connection sees it now."""
        # Reading holds a past that later commits do not touch. Without it each of them would start the copy anew.
        self._raw.execute("begin")
        self._raw.execute("select count(*) from sqlite_master").fetchone()
        target = sqlite3.connect(path)
        try:
            self._raw.backup(
                target, pages=BACKUP_PAGES, sleep=0, progress=lambda _, left, pages: told(1 - left / max(pages, 1))
            )
        finally:
            target.close()
            self._raw.execute("rollback")

    def close(self) -> None:
        """Close the file."""
        self._raw.close()
        self._line.close()

    def _rows(self, sql: str, values: Sequence[Any]) -> list[Any]:
        return self._raw.execute(sql, values).fetchall()

    def _guarded(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except OSError as error:
            raise TooBusy("store_full", f"the database's folder cannot be written: {error}.", retry_after=30) from error
        except sqlite3.OperationalError as error:
            if any(word in str(error) for word in _WAITING):
                raise TooBusy("store_busy", f"another process holds the database: {error}.") from error
            if "full" in str(error) or "disk I/O" in str(error):
                raise TooBusy(
                    "store_full",
                    f"the database cannot be written: {error}.",
                    fix="Make room on the disk.",
                    retry_after=30,
                ) from error
            raise
