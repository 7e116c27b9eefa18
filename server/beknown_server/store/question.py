"""The named questions: one file each in ``query/``, in the SQL that SQLite and PostgreSQL share.

    select ... where project_id = :project_id {{:event and event = :event}} and id in (:ids)

Rules:
- ``room.what.sql``, and every file is used. Values are only ever passed as ``:name``.
- ``{{:name ...}}`` is left out when ``name`` is not given or None.
- A list stands for its items: ``in (:ids)``, or for as many rows: ``values :ids``. Callers keep lists below MOST_ITEMS
  (see ``pieces``).
- A NUL is asked for as it is stored, as U+FFFD: PostgreSQL takes none, not even in a question.
- Few texts, so that engines find them prepared: lists are filled up to a power of two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, TypeVar

MOST_ITEMS = 512  # in one list; SQLite takes 32,766 values in one statement, PostgreSQL 65,535
MOST_ROWS = 64  # in one INSERT

_FOLDER = Path(__file__).parent / "query"
_OPTIONAL = re.compile(r"\{\{:(\w+) (.*?)\}\}", re.DOTALL)
_PARAMETER = re.compile(r"(?<![:\w]):(\w+)")
_ROWS = re.compile(r"(?<!\n)values :(\w+)")
_INSERT = re.compile(r"insert into (\w+) \(([\w, ]+)\)\nvalues \([\w:, ]+\)\s*")
_ROW = re.compile(r"(?<=\nvalues )\(:\w+(?:, :\w+)*\)")

T = TypeVar("T")


@cache
def text(name: str) -> str:
    """Give the SQL of a question by the name of its file, without ``.sql``."""
    return (_FOLDER / f"{name}.sql").read_text("utf-8")


def bound(sql: str, values: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Give the SQL with its optional clauses decided and its lists written out, and the values to bind."""
    values = {name: _storable(value) for name, value in values.items()}
    lists = {name: _filled_up(value) for name, value in values.items() if isinstance(value, list)}
    given = tuple(name for name, value in values.items() if value is not None)
    text = _written(sql, given, tuple((name, len(items)) for name, items in lists.items()))
    if not lists:
        return text, values
    flat = {name: value for name, value in values.items() if name not in lists}
    for name, items in lists.items():
        flat.update({f"{name}_{index}": item for index, item in enumerate(items)})
    return text, flat


def _storable(value: Any) -> Any:
    if isinstance(value, list):
        return [_storable(one) for one in value]
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value


def _filled_up(items: list[Any]) -> list[Any]:
    return items + items[-1:] * ((1 << (len(items) - 1).bit_length()) - len(items)) if items else items


@lru_cache(maxsize=1000)
def _written(sql: str, given: tuple[str, ...], lists: tuple[tuple[str, int], ...]) -> str:
    sizes = dict(lists)

    def listed(found: re.Match[str]) -> str:
        size = sizes.get(found[1])
        return found[0] if size is None else ", ".join(f":{found[1]}_{index}" for index in range(size)) or "null"

    def in_rows(found: re.Match[str]) -> str:
        return "values " + ", ".join(f"(:{found[1]}_{index})" for index in range(sizes[found[1]]))

    sql = _OPTIONAL.sub(lambda found: found[2] if found[1] in given else "", sql)
    return _PARAMETER.sub(listed, _ROWS.sub(in_rows, sql)) if sizes else sql


@cache
def columns(sql: str) -> tuple[str, ...]:
    """Give the names of the values that ``insert ... values (:a, :b)`` has in its row and nowhere else; none for other
    SQL."""
    row = _ROW.search(sql)
    found = tuple(_PARAMETER.findall(row[0])) if row else ()
    return found if found == tuple(_PARAMETER.findall(sql)) else ()


@cache
def of_rows(sql: str, rows: int) -> str:
    """Give an INSERT of one row as one of several, with ``?`` for each value."""
    row = "(" + ", ".join("?" * len(columns(sql))) + ")"
    return _ROW.sub(", ".join([row] * rows), sql)


@cache
def copied(sql: str) -> str:
    """Give ``copy ... from stdin`` for an INSERT that has no condition; empty for other SQL."""
    found = _INSERT.fullmatch(sql)
    return f"copy {found[1]} ({found[2]}) from stdin" if found else ""


@cache
def percent_style(sql: str) -> str:
    """Give the SQL with ``%(name)s`` for ``:name``, as psycopg wants it."""
    return _PARAMETER.sub(r"%(\1)s", sql.replace("%", "%%"))


def pieces(items: Sequence[T]) -> Iterator[list[T]]:
    """Give the items in lists that are short enough for one question."""
    for start in range(0, len(items), MOST_ITEMS):
        yield list(items[start : start + MOST_ITEMS])
