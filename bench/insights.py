"""How fast the numbers are: beknown's columnar copy beside plain DuckDB over the same columns, and SQL on the store.

    python bench/insights.py [--events 1000000] [--sql]

Events of persons with heavy and light users over 60 days, three in ten ids merged into another. The store is filled
directly (not over HTTP: bench/ingest is about that), the copy is then built as a server builds it, and each question
is asked five times, in turn with plain DuckDB; the median counts. "plain" is the same question, written by hand,
over a native DuckDB table joined with a mapping table, in the same process. Writes bench/results/insights-<events>.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
from beknown_server.cohorts import retention
from beknown_server.columns import CONFIG, Columns
from beknown_server.errors import TooBusy
from beknown_server.funnel import funnel
from beknown_server.insights import Desk, trends, unique
from beknown_server.spans import Zone
from beknown_server.store import Event, Project, Store, open_store

DAYS = 60
DAY = 86_400_000
START = round(datetime(2026, 9, 1, tzinfo=UTC).timestamp() * 1000)
TODAY = date(2026, 10, 30)
PAGE = 50_000
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

# The same, by hand. e: seq, t, event, id; m: id, person. Days are whole, the zone is UTC, weeks start on Sunday.
_MONTH = f"t >= {START + 30 * DAY} and t < {START + 60 * DAY}"
_EVENT = "e join m using (id)"
_END = START + 60 * DAY
PLAIN = {
    "unique users, 60 days": f"select count(distinct person) from {_EVENT} where t >= {START} and t < {_END}",
    "DAU, 30 days": f"select t // {DAY} as d, count(distinct person) from {_EVENT} where {_MONTH} group by d",
    "WAU, 30 days": f"""
        with a as (select distinct person, t // {DAY} as d from {_EVENT}
                   where t >= {START + 24 * DAY} and t < {START + 60 * DAY}),
        b as (select distinct person, unnest(range(d, d + 7)) as d from a)
        select d, count(*) from b where d >= {START // DAY + 30} and d < {START // DAY + 60} group by d""",
    "funnel, 3 steps, 14 days": f"""
        with c as (select person, t, event, seq from {_EVENT} where {_MONTH} and event in ('view', 'add', 'buy')),
        l as (select *, max(case when event = 'view' then t end) over w as p1 from c
              window w as (partition by person order by t, seq rows between unbounded preceding and 1 preceding)),
        l2 as (select *, case when event = 'add' and t - p1 <= {14 * DAY} then p1 end as s2 from l),
        l3 as (select *, max(s2) over w as p2 from l2
               window w as (partition by person order by t, seq rows between unbounded preceding and 1 preceding))
        select count(distinct person) filter (where event = 'view'),
               count(distinct person) filter (where s2 is not null),
               count(distinct person) filter (where event = 'buy' and t - p2 <= {14 * DAY}) from l3""",
    "retention, 8 weeks": f"""
        with a as (select distinct person, (t // {DAY} + 4) // 7 as w from {_EVENT} where event = 'view')
        select x.w, y.w - x.w, count(*) from a x join a y using (person)
        where y.w between x.w and x.w + 7 group by all""",
}
SQL = {
    "unique users, 60 days": "select count(distinct coalesce(d.person, d.id)) from event e "
    "join distinct_id d on d.id = e.distinct_id where e.project_id = 1",
    "DAU, 30 days": f"select timestamp / {DAY}, count(distinct coalesce(d.person, d.id)) from event e "
    f"join distinct_id d on d.id = e.distinct_id where e.project_id = 1 and timestamp >= {START + 30 * DAY} "
    f"and timestamp < {START + 60 * DAY} group by 1",
}


def filled(store: Store, project: Project, path: Path, events: int) -> None:
    """Fill the store's tables: a tenth as many ids as events, of which three in ten belong to another's person."""
    dice = random.Random(7)
    ids = max(events // 10, 100)
    # One real event makes the store's own rows; the mass goes in by the same statements in one transaction per page.
    uuid = "01900000-0000-7000-8000-000000000000"
    store.append(project.id, [Event(uuid, "view", "first", START, {})], START)
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute("begin")
    raw.executemany(
        "insert into distinct_id (project_id, name, uuid, first_seen, last_seen, event_count, personal) "
        "values (?, ?, randomblob(16), ?, ?, 10, 1)",
        ((project.id, f"id-{number}", START, START) for number in range(ids)),
    )
    first = raw.execute("select min(id) from distinct_id where name like 'id-%'").fetchone()[0]
    merged = dice.sample(range(1, ids), ids * 3 // 10)
    raw.executemany(
        "update distinct_id set person = ? where id = ?",
        ((first + dice.randrange(number), first + number) for number in merged),
    )
    raw.execute("commit")
    names = ["view"] * 12 + ["add"] * 4 + ["buy"] + ["click"] * 3
    properties = json.dumps({"$current_url": "https://example.com/pricing", "$pathname": "/pricing", "plan": "pro",
                             "$browser_language": "en", "$viewport_width": 1280, "$lib": "beknown"})  # fmt: skip
    for page in range(0, events, PAGE):
        rows = []
        for number in range(page, min(page + PAGE, events)):
            at = START + number * DAYS * DAY // events
            who = first + min(int(ids * dice.random() ** 1.6), ids - 1)
            session = f"s{who}-{at // DAY}"
            rows.append((project.id, dice.choice(names), who, at, at, session, properties))
        raw.execute("begin")
        raw.executemany(
            "insert into event (project_id, uuid, event, distinct_id, timestamp, received, session_id, properties) "
            "values (?, randomblob(16), ?, ?, ?, ?, ?, ?)",
            rows,
        )
        raw.execute("commit")
    raw.close()


def built(columns: Columns, project: Project) -> float:
    """Build the copy and give the seconds."""
    started = time.perf_counter()
    while True:
        try:
            with columns.reading(project.id):
                return time.perf_counter() - started
        except TooBusy as error:
            print(f"\r{error}", end="", flush=True)


def timed(*works: Callable[[], Any], times: int = 5) -> list[float]:
    """Give the median seconds of each, run in turn so that whatever else the machine does meets them alike."""
    seconds: list[list[float]] = [[] for _ in works]
    for _ in range(times):
        for work, found in zip(works, seconds, strict=True):
            started = time.perf_counter()
            work()
            found.append(time.perf_counter() - started)
    return [statistics.median(found) for found in seconds]


def plain_database(path: Path, columns: Columns, project: Project) -> duckdb.DuckDBPyConnection:
    """Give a native DuckDB file with the counting columns, filled from the copy's own view."""
    plain = duckdb.connect(str(path), config=dict(CONFIG))
    folder = next(columns._folder.glob(f"*/{project.id}"))
    plain.execute(f"create table e as select seq, timestamp as t, event, id from read_parquet('{folder}/*.parquet')")
    with columns.reading(project.id) as reading:
        rows = reading.ids()
    plain.execute("create table m (id bigint, person bigint)")
    for start in range(0, len(rows), 100_000):
        piece = rows[start : start + 100_000]
        plain.execute("insert into m select unnest($a::bigint[]), unnest($b::bigint[])",
                      {"a": [row[0] for row in piece], "b": [row[1] for row in piece]})  # fmt: skip
    return plain


def freshness(store: Store, project: Project, columns: Columns) -> float:
    """Give the seconds from an event's acknowledgement to an answer that has it (the whole answer included)."""
    uuid = f"01900000-0000-7000-8000-{time.time_ns() % 10**12:012d}"
    store.append(project.id, [Event(uuid, "fresh", "first", START + DAY, {})], START)
    started = time.perf_counter()
    asked(columns, project, unique, {"date_from": "2026-09-02", "date_to": "2026-09-02", "event": "fresh"})
    return time.perf_counter() - started


def asked(columns: Columns, project: Project, question: Callable[..., Any], body: dict[str, Any]) -> Any:
    """Ask as the API does: catching up with the store is part of it."""
    with columns.reading(project.id) as reading:
        return question(Desk(reading, lambda keys: [], Zone(ZoneInfo("UTC"), True), TODAY), body)


def size(folder: Path) -> float:
    """Give the megabytes of a folder or file."""
    files = [folder] if folder.is_file() else [path for path in folder.rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in files) / 1e6


def main() -> None:
    """Run it and print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--events", type=int, default=1_000_000)
    options.add_argument("--sql", action="store_true", help="also ask two of the questions in SQL on the store")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="beknown-bench-") as name:
        folder = Path(name)
        store = open_store(f"sqlite:///{folder}/beknown.db")
        store.migrate()
        project = store.create_project("Bench", "bk_bench", "bks_bench", START)
        filled(store, project, folder / "beknown.db", given.events)
        columns = Columns(store, folder / "columns")
        result: dict[str, Any] = {
            "events": given.events,
            "processors": os.cpu_count(),
            "date": datetime.now(UTC).date().isoformat(),
            "build_seconds": built(columns, project),
            "columns_mb": size(folder / "columns"),
            "store_mb": size(folder / "beknown.db"),
            "questions": {},
        }
        result["fresh_seconds"] = freshness(store, project, columns)
        plain = plain_database(folder / "plain.duckdb", columns, project)
        raw = sqlite3.connect(folder / "beknown.db")
        for title, (question, body) in QUESTIONS.items():
            ours, by_hand = timed(
                lambda q=question, b=body: asked(columns, project, q, b),
                lambda t=title: plain.execute(PLAIN[t]).fetchall(),
            )
            row = {"ours": ours, "plain": by_hand}
            if given.sql and title in SQL:
                row["sqlite"] = timed(lambda t=title: raw.execute(SQL[t]).fetchall(), times=1)[0]
            result["questions"][title] = row
        result["plain_mb"] = size(folder / "plain.duckdb")
        result["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        raw.close()
        plain.close()
        columns.close()
        store.close()
    report = table(result)
    print("\n" + report)
    place = Path(__file__).parent / "results" / f"insights-{given.events}"
    place.parent.mkdir(exist_ok=True)
    place.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
    place.with_suffix(".md").write_text(report)


def table(result: dict[str, Any]) -> str:
    """Give the result as a Markdown table."""
    lines = [
        f"# Insights over {result['events']:,} events",
        "",
        f"{result['date']}, {result['processors']} processors. Copy built in {result['build_seconds']:.1f} s; on "
        f"disk {result['columns_mb']:.0f} MB (the store {result['store_mb']:.0f} MB). A fresh event was in an answer "
        f"{result['fresh_seconds']:.2f} s after its acknowledgement. Peak memory of the process, both engines: "
        f"{result['peak_memory_mb']:.0f} MB.",
        "",
        "| question | beknown, s | plain DuckDB, s | ratio | SQL on SQLite, s | times as fast |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for title, row in result["questions"].items():
        sql = row.get("sqlite")
        more = f"{sql:.2f} | {sql / row['ours']:.0f}" if sql else "- | -"
        ours, plain = row["ours"], row["plain"]
        lines.append(f"| {title} | {ours:.3f} | {plain:.3f} | {ours / plain:.2f} | {more} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
