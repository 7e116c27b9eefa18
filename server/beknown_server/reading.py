"""One reading of the columnar copy: named questions (questions/*.sql), all answered in the same transaction.

Rules:
- A reading is one answer: all its questions together take at most MOST_S seconds, each gets what is left of them.
- A question takes at most MEMORY; what needs more memory goes to disk as long as it can.
- What DuckDB refuses is the caller's mistake (a bad pattern) or the moment's (too busy): never an error of ours.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import duckdb
import orjson

from .asked import filled
from .errors import TooBusy, Unusable

MOST_S = 30.0  # an answer that takes longer is stopped
MEMORY, DISK = "1GB", "8GB"  # per process; what needs more memory goes to disk, what needs more of that is refused
THREADS = min(os.cpu_count() or 1, 16)  # each has some 20 MB of properties in memory: 32 would have most of it

ROWS_AT_ONCE = 20_000  # on their way into a table

_VALUE = re.compile(r"\$(\w+)")


class Reading:
    """Answers named questions about one project in one transaction."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._deadline = time.monotonic() + MOST_S

    def ask(self, question: str, fragments: dict[str, str] | None = None, **values: Any) -> list[tuple[Any, ...]]:
        """Give the rows that answer a question: ``{name}`` is replaced by SQL of ours, ``$name`` by a value.

        Raises Unusable if DuckDB refuses the values (a bad pattern), TooBusy if it takes too much time or memory.
        """
        sql = filled(question, fragments or {})
        used = {name: values[name] for name in set(_VALUE.findall(sql))}
        with self._limited():
            return self._connection.execute(sql, used).fetchall()

    def ids(self) -> list[tuple[int, int | None]]:
        """Give the number of every distinct id, and of its person."""
        return self._connection.execute("select id, person from ids order by id").fetchall()

    def load(self, table: str, columns: str, rows: Iterable[Sequence[Any]]) -> None:
        """Make a table for this reading alone, such as persons' properties: ``columns`` as in from_json.

        Rows are taken as they come, so that not all are in memory at once; the time that takes is the answer's too.
        """
        names, coming = list(orjson.loads(columns)[0]), iter(rows)
        taken = "select unnest(from_json($rows, $shape), recursive := true)"
        sql, page = f"create or replace temp table {table} as {taken}", list[dict[str, Any]]()
        with self._limited():
            while True:
                self._connection.execute(sql, {"rows": orjson.dumps(page).decode(), "shape": columns})
                page = [dict(zip(names, row, strict=True)) for row in islice(coming, ROWS_AT_ONCE)]
                if not page:
                    return
                if time.monotonic() > self._deadline:
                    raise _too_long()
                sql = f"insert into {table} {taken}"

    @contextmanager
    def _limited(self) -> Iterator[None]:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise _too_long()
        clock = threading.Timer(left, self._connection.interrupt)
        clock.daemon = True
        clock.start()
        try:
            yield
        except duckdb.InterruptException:
            raise _too_long() from None
        except duckdb.OutOfMemoryException:
            advice = "Ask again when fewer others do, who share them; or for fewer days."
            raise TooBusy("too_much", "the answer needs more memory and disk than there is.", fix=advice) from None
        except duckdb.IOException as error:
            raise changed() from error
        except (duckdb.InvalidInputException, duckdb.OutOfRangeException, duckdb.ConversionException) as error:
            advice = "Mend the filter, or ask without the property whose numbers are too large to be counted."
            raise Unusable("bad_question", f"this cannot be asked: {error}.", fix=advice) from error
        finally:
            clock.cancel()


def changed() -> TooBusy:
    """Give what is raised when files went before they were read."""
    return TooBusy("columns_changed", "the columnar copy was removed just now; it is made again.")


def _too_long() -> TooBusy:
    return TooBusy("too_long", f"the answer took more than {MOST_S:.0f} s.", fix="Ask for fewer days.")
