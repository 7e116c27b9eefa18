"""The named questions: one file each in ``query/``, in the SQL that SQLite and PostgreSQL share.

    select ... where project_id = :project_id {{:event and event = :event}} and id in (:ids)

Rules:
- ``room.what.sql``, and every file is used. Values are only ever passed as ``:name``.
- ``{{:name ...}}`` is left out when ``name`` is not given or None.
- A list stands for its items: ``in (:ids)``. Callers keep lists below MOST_ITEMS (see ``pieces``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

MOST_ITEMS = 500  # in one list; SQLite takes 32,766 values in one statement, PostgreSQL 65,535

_FOLDER = Path(__file__).parent / "query"
_OPTIONAL = re.compile(r"\{\{:(\w+) (.*?)\}\}", re.DOTALL)
_PARAMETER = re.compile(r"(?<![:\w]):(\w+)")

T = TypeVar("T")


@cache
def text(name: str) -> str:
    """Give the SQL of a question by the name of its file, without ``.sql``."""
    return (_FOLDER / f"{name}.sql").read_text("utf-8")


def bound(sql: str, values: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Give the SQL with its optional clauses decided and its lists written out, and the values to bind."""
    sql = _OPTIONAL.sub(lambda found: found[2] if values.get(found[1]) is not None else "", sql)
    lists = {name: value for name, value in values.items() if isinstance(value, list)}
    if not lists:
        return sql, values
    flat = {name: value for name, value in values.items() if name not in lists}
    for name, items in lists.items():
        flat.update({f"{name}_{index}": item for index, item in enumerate(items)})

    def written(found: re.Match[str]) -> str:
        items = lists.get(found[1])
        return found[0] if items is None else ", ".join(f":{found[1]}_{index}" for index in range(len(items))) or "null"

    return _PARAMETER.sub(written, sql), flat


@cache
def percent_style(sql: str) -> str:
    """Give the SQL with ``%(name)s`` for ``:name``, as psycopg wants it."""
    return _PARAMETER.sub(r"%(\1)s", sql.replace("%", "%%"))


def pieces(items: Sequence[T]) -> Iterator[list[T]]:
    """Give the items in lists that are short enough for one question."""
    for start in range(0, len(items), MOST_ITEMS):
        yield list(items[start : start + MOST_ITEMS])
