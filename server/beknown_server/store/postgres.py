"""PostgreSQL: for when one machine is not enough. The same questions, the same answers.

Rules:
- What changes one project waits in line (an advisory lock that ends with the transaction). So nobody decides on a
  past that is changing, and events are numbered in the order in which they become visible.
- A connection that broke is closed and replaced; the caller is told to come again.
- The only file that imports ``psycopg``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import psycopg
from psycopg.rows import dict_row

from ..errors import Misconfigured, TooBusy
from . import question

LOCKS = 0x626B  # the first half of our advisory locks' numbers ("bk"); the second is the project's
CONNECT_S = 5
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

    def many(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run a named statement once for each of the rows."""
        sql = question.percent_style(question.text(name)).encode()
        if rows:
            self._guarded(lambda: self._raw.cursor().executemany(sql, rows))

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

    def _execute(self, sql: str, values: dict[str, Any] | None = None) -> psycopg.Cursor[dict[str, Any]]:
        return self._raw.execute(sql.encode(), values)

    def _guarded(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except (psycopg.OperationalError, psycopg.InternalError) as error:
            text = str(error).partition("\n")[0]
            raise TooBusy("store_busy", f"the database cannot do this now: {text}.") from error
