"""How events and ids lie in the copy: their columns, a row of the store as one of the copy, files written and anew.

Rules:
- What is compared and counted is a number (asked.py); the name and the properties lie beside it.
- Another person's id is left out of what says who is who: a deletion would not find it here.
- A file is read by groups of its rows, one by each thread, whole in memory: groups are made small.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import duckdb
import orjson

from .asked import code_of

GROUP = "8MB"  # of rows in memory: with 100 MB a question about properties took 1.1 GB on two threads; now 0.15
TELLING, OTHERS = ("$identify", "$create_alias", "$merge_dangerously"), ("$anon_distinct_id", "alias", "distinct_id")

EVENT = {
    "seq": "BIGINT",
    "timestamp": "BIGINT",
    "event": "BIGINT",
    "name": "VARCHAR",
    "id": "BIGINT",
    "session": "BIGINT",
    "device": "BIGINT",
    "inside": "BOOLEAN",
    "properties": "VARCHAR",
}
ID = {"id": "BIGINT", "person": "BIGINT", "first_seen": "BIGINT"}


def coded(row: Sequence[Any]) -> tuple[Any, ...]:
    """Give an event as the copy has it; ``inside``: a page that was reached from another of the same host."""
    seq, timestamp, event, number, session, text = row
    properties = orjson.loads(text)
    if event in TELLING:
        text = orjson.dumps({key: value for key, value in properties.items() if key not in OTHERS}).decode()
    device, host = properties.get("$device_id"), properties.get("$host")
    inside = event == "$pageview" and isinstance(host, str) and host == properties.get("$referring_domain")
    codes = [code_of(one) if isinstance(one, str) and one else None for one in (session, device)]
    return seq, timestamp, code_of(event), event, number, *codes, inside, text


def insert(connection: duckdb.DuckDBPyConnection, table: str, shape: dict[str, str], rows: Sequence[Any]) -> None:
    """Put rows into a table."""
    # One JSON text is by far the fastest way in without numpy or Arrow; bound lists take three times as long.
    if rows:
        objects = orjson.dumps([dict(zip(shape, row, strict=True)) for row in rows]).decode()
        connection.execute(
            f"insert into {table} select unnest(from_json($rows, $shape), recursive := true)",
            {"rows": objects, "shape": orjson.dumps([shape]).decode()},
        )


def write(connection: duckdb.DuckDBPyConnection, rows: str, place: Path, *, order: str = "seq") -> None:
    """Write rows (a table or a file, with a condition) as a file."""
    what = f"select * from {rows} order by {order}"
    how = f"format parquet, compression lz4, row_group_size_bytes '{GROUP}'"
    connection.execute(f"copy ({what}) to {quoted(place)} ({how})")


def left_of(connection: duckdb.DuckDBPyConnection, path: Path, unwanted: str, unfinished: Path) -> tuple[int, bool]:
    """Write a file without the unwanted rows, if it has any; give how many are left, and whether it was written."""
    rows = file(path)
    count = f"select count(*), count(*) filter ({unwanted}) from {rows}"
    every, gone = connection.execute(count).fetchall()[0]
    if gone:
        write(connection, f"{rows} where not ({unwanted})", unfinished)
    return int(every - gone), bool(gone)


def unknown(connection: duckdb.DuckDBPyConnection, files: Sequence[str], ids: str, until: int) -> set[int]:
    """Give the ids that files name up to an event and a table does not."""
    if not files:
        return set()
    known = f"id in (select id from {ids})"
    sql = f"select distinct id from read_parquet([{', '.join(files)}]) where seq <= {until} and not {known}"
    with connection.cursor() as other:
        return {id for (id,) in other.execute(sql).fetchall()}


def among(ids: Collection[int]) -> str:
    """Give the condition that an event is one of these ids'."""
    return f"id in (select unnest({list(ids)}::bigint[]))"


def file(path: Path) -> str:
    """Give a file as SQL reads it."""
    return f"read_parquet({quoted(path)})"


def quoted(path: Path) -> str:
    """Give a path as SQL's text."""
    return "'" + str(path).replace("'", "''") + "'"
