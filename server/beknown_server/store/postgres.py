"""PostgreSQL: for when one machine is not enough. The same questions, the same answers.

Rules:
- What changes one project waits in line (an advisory lock that ends with the transaction). So nobody decides on a
  past that is changing, and events are numbered in the order in which they become visible.
- Events go in by COPY, straight into their table: under the lock, nobody else can bring the same uuid meanwhile.
- A connection that broke is closed and replaced; the caller is told to come again.
- The only file that imports ``psycopg``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg.rows import dict_row

from ..errors import Misconfigured, TooBusy
from . import question

LOCKS = 0x626B  # the first half of our advisory locks' numbers ("bk"); the second is the project's
CONNECT_S = 5
WORTH_A_COPY = 4  # rows: fewer are inserted sooner than a COPY is begun and ended
# No row is named twice in one call: several may stand in one INSERT.
ONE_ROW_EACH = ("distinct_id.seen", "property.write", "property.lay", "grouping.seen", "group_property.write")
LOCK_MS = 10_000  # how long to wait for another process's transaction

T = TypeVar("T")


class Postgres:
    """A database by its address; ``connect`` opens a connection."""

    def __init__(self, url: str) -> None:
        self._url = url

    @property
    def alembic_url(self) -> str:
        """Give the address under which SQLAlchemy knows the same database."""
        return "postgresql+psycopg" + self._url[self._url.index(":") :]

    def prepare(self) -> None:
        """Make sure that the database is there. Raises Misconfigured if it is not."""
        try:
            self.connect().close()
        except TooBusy as error:
            raise Misconfigured(f"{error} Is PostgreSQL running, and does the database exist?") from error

    def backup(self, path: Path, told: Callable[[float], None]) -> None:
        """Refuse: PostgreSQL has a program for it."""
        raise Misconfigured("PostgreSQL is backed up with its own pg_dump, which may run at any time.")

    def connect(self) -> PostgresConnection:
        """Open a connection. Raises TooBusy if there is no server: it may come back."""
        try:
            raw = psycopg.connect(
                self._url,
                autocommit=True,
                row_factory=dict_row,
                connect_timeout=CONNECT_S,
                options=f"-c lock_timeout={LOCK_MS}",
            )
        except psycopg.OperationalError as error:
            reason = str(error).partition("\n")[0]  # the rest may repeat the address
            raise TooBusy("store_away", f"the database cannot be reached: {reason}.") from None
        except psycopg.ProgrammingError as error:
            raise Misconfigured(f"the database's address cannot be read: {error}.") from None
        return PostgresConnection(raw)


class PostgresConnection:
    """One connection: named questions in, rows out. Not for two threads at once."""

    def __init__(self, raw: psycopg.Connection[dict[str, Any]]) -> None:
        self._raw = raw

    def all(self, name: str, /, **values: Any) -> list[Any]:
        """Give the rows that answer a named question."""
        sql, flat = question.bound(question.text(name), values)
        return self._guarded(lambda: list(self._execute(question.percent_style(sql), flat)))

    def many(self, name: str, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Run a named statement once for each of the rows; give what it returns, if it does."""
        text = question.text(name)
        returned: list[Any] = []
        sql = question.percent_style(text).encode()
        if len(rows) >= WORTH_A_COPY and question.copied(text):
            self._guarded(lambda: self._copy(text, rows))
        elif name in ONE_ROW_EACH:
            for start in range(0, len(rows), question.MOST_ROWS):
                returned += self._guarded(partial(self._insert, text, rows[start : start + question.MOST_ROWS]))
        elif rows:
            self._guarded(lambda: self._raw.cursor().executemany(sql, rows))
        return returned

    def begin(self) -> None:
        """Start a transaction."""
        self._guarded(lambda: self._execute("begin"))

    def lock(self, project_id: int) -> None:
        """Keep others from changing the project until the transaction ends."""
        sql = "select pg_advisory_xact_lock(%(locks)s::int, %(project_id)s::int)"
        self._guarded(lambda: self._execute(sql, {"locks": LOCKS, "project_id": project_id}))

    def commit(self) -> None:
        """Make it durable."""
        self._guarded(lambda: self._execute("commit"))

    def rollback(self) -> None:
        """Forget the transaction, if there is one."""
        self._raw.execute("rollback")

    def close(self) -> None:
        """End the connection."""
        self._raw.close()

    def _insert(self, text: str, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        sql = question.of_rows(text, len(rows)).replace("?", "%s")
        done = self._raw.execute(sql.encode(), [row[column] for row in rows for column in question.columns(text)])
        return done.fetchall() if done.description else []

    def _copy(self, text: str, rows: Sequence[Mapping[str, Any]]) -> None:
        columns = question.columns(text)
        with self._raw.cursor().copy(question.copied(text).encode()) as copy:
            for row in rows:
                copy.write_row([row[column] for column in columns])

    def _execute(self, sql: str, values: dict[str, Any] | None = None) -> psycopg.Cursor[dict[str, Any]]:
        return self._raw.execute(sql.encode(), values)

    def _guarded(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except (psycopg.OperationalError, psycopg.InternalError) as error:
            text = str(error).partition("\n")[0]
            raise TooBusy("store_busy", f"the database cannot do this now: {text}.") from error
