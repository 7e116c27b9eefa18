"""How fast the numbers are: beknown's columnar copy beside plain DuckDB over the same columns, and SQL on the store.

    python bench/insights.py [--events 1000000 10000000] [--properties varied|constant] [--data FOLDER]

One command, both sizes: about half an hour on two quiet processors (more than half of it fills the stores, which
``--data`` keeps for the next run), 25 GB of disk; with the same few properties on every event (``constant``) half of
the time and 8 GB. The store is filled directly (history.py), the copy is built as a server builds it, and each question
is asked in turn of

- beknown, as the API does, catching up with the store included;
- plain DuckDB, the question written by hand as one would (``PLAIN``): a native DuckDB file with the same columns as
  numbers (time, event, id) and the same mapping as a table, in this process, with the same limit of memory;
- plain DuckDB, given the very SQL that beknown asks, over the same file: what the copy itself costs;
- SQLite, in SQL on the store's own tables, once.

Timed alone are a breakdown by an event's property and a filter by a person's (plain DuckDB's file has neither), and
the identity report, some fifteen questions in one answer, which nobody would write by hand.

The median of five, wall and processor seconds. Writes bench/results/insights-<events>.{md,json}.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
from beknown_server.asked import code_of
from beknown_server.cohorts import retention
from beknown_server.columns import CONFIG, Columns
from beknown_server.errors import TooBusy
from beknown_server.funnel import funnel
from beknown_server.insights import Desk, trends, unique
from beknown_server.reading import Reading
from beknown_server.register import identity_report
from beknown_server.spans import Zone
from beknown_server.store import Event, Project, Store
from history import DAY, START, path_of, store_of
from memory import peak_mib

TIMES = 5
TODAY = date(2026, 10, 30)
UTC_DAYS = Zone(ZoneInfo("UTC"), sunday=True)
MONTH = {"date_from": "2026-10-01", "date_to": "2026-10-30"}
QUESTIONS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "unique users, 60 days": (unique, {"date_from": "2026-09-01", "date_to": "2026-10-30"}),
    "DAU, 30 days": (trends, {**MONTH, "math": "dau"}),
    "WAU, 30 days": (trends, {**MONTH, "math": "wau"}),
    "funnel, 3 steps, 14 days": (
        funnel,
        {**MONTH, "steps": [{"event": "view"}, {"event": "add"}, {"event": "buy"}], "window_days": 14},
    ),
    "retention, 8 weeks": (
        retention,
        {"target": {"event": "view"}, "returning": {"event": "view"}, "period": "week", "periods": 8,
         "date_from": "2026-09-01"},
    ),
}  # fmt: skip
ALONE: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "DAU by an event's property, 30 days": (trends, {**MONTH, "math": "dau", "breakdown": "plan"}),
    "DAU of persons with a property, 30 days": (
        trends,
        {**MONTH, "math": "dau", "filters": [{"key": "plan", "type": "person", "operator": "exact", "value": "pro"}]},
    ),
}
LENGTH = "select avg(length(properties)) from event where seq between 2 and 10000"
REPORT = "identity report, 30 days"

# The same by hand. e: t, event, id; m: id, person. Days are whole, the zone is UTC, weeks start on Sunday.
_END = START + 60 * DAY
_MONTH = f"t >= {START + 30 * DAY} and t < {_END}"
_BOTH = "e join m using (id)"
_NAMED = {name: code_of(name) for name in ("view", "add", "buy")}
PLAIN = {
    "unique users, 60 days": f"select count(distinct person) from {_BOTH} where t >= {START} and t < {_END}",
    "DAU, 30 days": f"select t // {DAY} as d, count(distinct person) from {_BOTH} where {_MONTH} group by d",
    "WAU, 30 days": f"""
        with a as (select distinct person, t // {DAY} as d from e join m using (id)
                   where t >= {START + 24 * DAY} and t < {_END}),
        b as (select distinct person, unnest(range(d, d + 7)) as d from a)
        select d, count(*) from b where d >= {START // DAY + 30} and d < {_END // DAY} group by d""",
    "funnel, 3 steps, 14 days": """
        with c as (select person, t, event from e join m using (id)
                   where {month} and event in ({view}, {add}, {buy})),
        l as (select *, max(case when event = {view} then t end) over w as p1 from c
              window w as (partition by person order by t rows between unbounded preceding and 1 preceding)),
        l2 as (select *, case when event = {add} and t - p1 <= {window} then p1 end as s2 from l),
        l3 as (select *, max(s2) over w as p2 from l2
               window w as (partition by person order by t rows between unbounded preceding and 1 preceding))
        select count(distinct person) filter (where event = {view}),
               count(distinct person) filter (where s2 is not null),
               count(distinct person) filter (where event = {buy} and t - p2 <= {window}) from l3
        """.format(month=_MONTH, window=14 * DAY, **_NAMED),
    "retention, 8 weeks": f"""
        with a as (select distinct person, (t // {DAY} + 4) // 7 as w from e join m using (id)
                   where event = {_NAMED["view"]})
        select x.w, y.w - x.w, count(*) from a x join a y using (person)
        where y.w between x.w and x.w + 7 group by all""",
}  # fmt: skip
_EVENT = "event e join distinct_id d on d.id = e.distinct_id where e.project_id = 1"
_MONTHLY = f"timestamp >= {START + 30 * DAY} and timestamp < {_END}"
SQL = {
    "unique users, 60 days": f"select count(distinct coalesce(person, id)) from {_EVENT}",
    "DAU, 30 days": f"select timestamp / {DAY}, count(distinct coalesce(person, id)) from {_EVENT} and {_MONTHLY} "
    "group by 1",
    "WAU, 30 days": f"""
        with a as (select distinct coalesce(person, id) as p, timestamp / {DAY} as d from {_EVENT}
                   and timestamp >= {START + 24 * DAY} and timestamp < {_END}),
        later(n) as (select 0 union all select n + 1 from later where n < 6)
        select d + n, count(distinct p) from a join later
        where d + n between {START // DAY + 30} and {_END // DAY - 1} group by 1""",
    "funnel, 3 steps, 14 days": f"""
        with c as (select coalesce(person, id) as p, timestamp as t, event, seq from {_EVENT} and {_MONTHLY}
                   and event in ('view', 'add', 'buy')),
        l as (select *, max(case when event = 'view' then t end) over w as p1 from c
              window w as (partition by p order by t, seq rows between unbounded preceding and 1 preceding)),
        l2 as (select *, case when event = 'add' and t - p1 <= {14 * DAY} then p1 end as s2 from l),
        l3 as (select *, max(s2) over w as p2 from l2
               window w as (partition by p order by t, seq rows between unbounded preceding and 1 preceding))
        select count(distinct p) filter (where event = 'view'), count(distinct p) filter (where s2 is not null),
               count(distinct p) filter (where event = 'buy' and t - p2 <= {14 * DAY}) from l3""",
    # Joined to itself in one statement it would look at every pair: SQLite makes no index on what it has just made.
    "retention, 8 weeks": f"""
        drop table if exists temp.a;
        create temp table a (p, w, primary key (p, w)) without rowid;
        insert or ignore into a select coalesce(person, id), (timestamp / {DAY} + 4) / 7 from {_EVENT}
            and event = 'view';
        select x.w, y.w - x.w, count(*) from a x join a y on y.p = x.p and y.w between x.w and x.w + 7 group by 1, 2""",
}  # fmt: skip


def built(columns: Columns, project: Project) -> float:
    """Build the copy and give the seconds."""
    started = time.perf_counter()
    while True:
        try:
            with columns.reading(project.id):
                return time.perf_counter() - started
        except TooBusy as error:
            print(f"\r{error}", end="", flush=True)


def timed(works: dict[str, Callable[[], Any]]) -> dict[str, dict[str, float]]:
    """Give the median wall and processor seconds of each, run in turn so that what else the machine does meets all."""
    wall: dict[str, list[float]] = {name: [] for name in works}
    processor: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(TIMES):
        for name, work in works.items():
            started, busy = time.perf_counter(), time.process_time()
            work()
            wall[name].append(time.perf_counter() - started)
            processor[name].append(time.process_time() - busy)
    return {
        name: {"wall": statistics.median(wall[name]), "processor": statistics.median(processor[name])} for name in works
    }


def plain_database(folder: Path, columns: Columns, project: Project) -> duckdb.DuckDBPyConnection:
    """Give a native DuckDB file with the counting columns and the mapping, filled from what beknown counts."""
    with columns.reading(project.id) as reading:
        for name, rows in (("e", "select timestamp as t, event, id from event order by seq"), ("m", "from ids")):
            reading._connection.execute(f"copy ({rows}) to '{folder}/{name}.parquet'")
    plain = duckdb.connect(f"{folder}/plain.duckdb", config=dict(CONFIG))
    for name in ("e", "m"):
        plain.execute(f"create table {name} as from '{folder}/{name}.parquet'")
    plain.execute("create view event as select t as timestamp, event, id, person from e join m using (id)")
    plain.execute("checkpoint")
    return plain


def freshness(store: Store, project: Project, columns: Columns) -> float:
    """Give the seconds from an event's acknowledgement to an answer that has it (the whole answer included)."""
    uuid = f"01900000-0000-7000-8000-{time.time_ns() % 10**12:012d}"
    name = f"fresh-{uuid}"
    store.append(project.id, [Event(uuid, name, "first", START + DAY, {})], START)
    started = time.perf_counter()
    day = {"date_from": "2026-09-02", "date_to": "2026-09-02", "event": name}
    found = asked(store, columns, project, unique, day)
    assert found == 1, found
    return time.perf_counter() - started


def asked(store: Store, columns: Columns, project: Project, question: Callable[..., Any], body: dict[str, Any]) -> Any:
    """Ask as the API does: catching up with the store is part of it."""
    with columns.reading(project.id) as reading:
        people = lambda keys: store.person_texts(project.id, keys)  # noqa: E731
        return question(Desk(reading, people, UTC_DAYS, TODAY), body)


def told(store: Store, columns: Columns, project: Project) -> None:
    """Have the identity report made, as the API does; one that takes too long is refused after its 30 seconds."""
    try:
        identity_report(store, columns, project, dict(MONTH), now=START + 60 * DAY)
    except TooBusy as refusal:
        print(refusal, flush=True)


def on(reading: Reading, question: Callable[..., Any], body: dict[str, Any]) -> Any:
    """Ask on an open connection, without what the store knows of persons."""
    return question(Desk(reading, lambda keys: [], UTC_DAYS, TODAY), body)


def size(folder: Path) -> float:
    """Give the megabytes of a folder or file."""
    files = [folder] if folder.is_file() else [path for path in folder.rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in files) / 1e6


def measured(events: int, data: Path, properties: str, *, with_sql: bool) -> dict[str, Any]:
    """Ask everything over so many events."""
    store, project = store_of(data, events, properties)
    place = path_of(data, events, properties)
    raw = sqlite3.connect(place, isolation_level=None)
    with tempfile.TemporaryDirectory(prefix="beknown-bench-") as name:
        folder = Path(name)
        columns = Columns(store, folder / "columns")
        result: dict[str, Any] = {
            "events": events,
            "properties": properties,
            "properties_length": raw.execute(LENGTH).fetchone()[0],
            "processors": os.cpu_count(),
            "load": os.getloadavg()[0],  # before anything is measured
            "date": datetime.now(UTC).date().isoformat(),
            "build_seconds": built(columns, project),
            "columns_mb": size(folder / "columns"),
            "store_mb": size(place),
            "fresh_seconds": statistics.median(freshness(store, project, columns) for _ in range(TIMES)),
            "questions": {},
        }
        plain = plain_database(folder, columns, project)
        for title, (question, body) in QUESTIONS.items():
            row = timed(
                {
                    "ours": lambda q=question, b=body: asked(store, columns, project, q, b),
                    "plain": lambda t=title: plain.execute(PLAIN[t]).fetchall(),
                    "same": lambda q=question, b=body: on(Reading(plain), q, b),
                }
            )
            started = time.perf_counter()
            if with_sql:
                for statement in SQL[title].split(";"):
                    raw.execute(statement).fetchall()
            result["questions"][title] = {**row, "sqlite": time.perf_counter() - started if with_sql else None}
            print(title, json.dumps(result["questions"][title]), flush=True)
        works = {title: partial(asked, store, columns, project, *question) for title, question in ALONE.items()}
        works[REPORT] = partial(told, store, columns, project)
        result["alone"] = {title: timed({"ours": work})["ours"] for title, work in works.items()}
        print(json.dumps(result["alone"]), flush=True)
        result["plain_mb"] = size(folder / "plain.duckdb")
        result["peak_memory_mb"] = peak_mib()
        plain.close()
        columns.close()
    raw.close()
    store.close()
    return result


def table(result: dict[str, Any]) -> str:
    """Give the result as a Markdown table."""
    lines = [
        f"# Insights over {result['events']:,} events",
        "",
        f"1.3 million ids, 300,000 of them merged: a million persons. Properties of {result['properties_length']:.0f} "
        f"characters an event, {result['properties']}. {result['date']}, {result['processors']} "
        f"processors, load {result['load']:.0f} before. Copy built in {result['build_seconds']:.1f} s; on disk "
        f"{result['columns_mb']:.0f} MB (the store {result['store_mb']:.0f} MB, plain DuckDB's file without properties "
        f"{result['plain_mb']:.0f} MB). A fresh event was in an answer {result['fresh_seconds']:.2f} s after its "
        f"acknowledgement. Peak memory of the process, both engines (each limited to {CONFIG['memory_limit']}) and the "
        f"bench: {result['peak_memory_mb']:.0f} MB.",
        "",
        "Seconds, in brackets processor seconds. *By hand*: plain DuckDB, native file, the question as one would write "
        "it. *Same SQL*: plain DuckDB, given beknown's SQL. Ratios are beknown's processor seconds over theirs (wall "
        "seconds tell more of what else the machine did).",
        "",
        "| question | beknown | by hand | ratio | same SQL | ratio | SQL on SQLite | times as fast |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for title, row in result["questions"].items():
        ours, plain, same = row["ours"], row["plain"], row["same"]
        shown = [f"{one['wall']:.2f} ({one['processor']:.2f})" for one in (ours, plain, same)]
        ratios = [f"{ours['processor'] / one['processor']:.2f}" for one in (plain, same)]
        slow = row["sqlite"]
        times = f"{slow:.2f} | {slow / ours['wall']:.0f}" if slow else "- | -"
        lines.append(f"| {title} | {shown[0]} | {shown[1]} | {ratios[0]} | {shown[2]} | {ratios[1]} | {times} |")
    for title, ours in result["alone"].items():
        lines.append(f"| {title} | {ours['wall']:.2f} ({ours['processor']:.2f}) |" + " - |" * 6)
    return "\n".join(lines) + "\n"


@contextmanager
def kept(folder: Path | None) -> Iterator[Path]:
    """Give the folder of the stores: the one that was named, or one that is removed afterwards."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="beknown-bench-") as name:
        yield Path(name)


def main() -> None:
    """Run it and print the tables."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--events", type=int, nargs="+", default=[1_000_000, 10_000_000])
    options.add_argument("--properties", choices=["varied", "constant"], default="varied", help="of the events")
    options.add_argument("--data", type=Path, help="keep the stores here for the next run")
    options.add_argument("--no-sql", action="store_true", help="leave out SQL on SQLite, the slowest part")
    given = options.parse_args()
    with kept(given.data) as data:
        for events in given.events:
            result = measured(events, data, given.properties, with_sql=not given.no_sql)
            report = table(result)
            print("\n" + report)
            place = Path(__file__).parent / "results" / f"insights-{events}"
            place.parent.mkdir(exist_ok=True)
            place.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
            place.with_suffix(".md").write_text(report)


if __name__ == "__main__":
    main()
