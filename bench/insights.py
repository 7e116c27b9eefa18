"""How fast the numbers are: beknown's columnar copy beside plain DuckDB over the same columns, and SQL on the store.

    python bench/insights.py [--events 1000000 10000000] [--properties varied|constant] [--data FOLDER]

One command, both sizes: about half an hour on two quiet processors (more than half of it fills the stores, which
``--data`` keeps for the next run), 30 GB of disk; with the same few properties on every event (``constant``) half of
the time and 8 GB. The store is filled directly (history.py), the copy is built as a server builds it, and each question
is asked in turn of

- beknown, as the API does, catching up with the store included;
- plain DuckDB, the question written by hand as one would (``PLAIN``): a native DuckDB file with the same columns as
  numbers (time, event, id) and the same mapping as a table, in this process, with the same limit of memory;
- plain DuckDB, given the very SQL that beknown asks, over the same file: what the copy itself costs;
- SQLite, in SQL on the store's own tables, once.

Before it is timed a question is asked once of each; if they do not answer the same, that is said and the run ends.
A breakdown by an event's property is compared with plain DuckDB over the same texts. Timed alone are a filter by a
person's property and the identity report (``ALONE`` says why).

The median of five, wall and processor seconds. Writes bench/results/insights-<events>.{md,json}, says whether the
targets hold for the five questions, and ends with 1 if one does not (with few events the ratios say little).
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import sys
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
from beknown_server.cohorts import retention
from beknown_server.columns import CONFIG, Columns
from beknown_server.errors import TooBusy
from beknown_server.funnel import funnel
from beknown_server.insights import Desk, trends, unique
from beknown_server.reading import Reading
from beknown_server.register import identity_report
from beknown_server.spans import Zone
from beknown_server.store import Event, Project, Store
from by_hand import PLAIN, SQL, alike, counts, counts_of
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
BY_PROPERTY = "DAU by an event's property, 30 days"
OF_PERSONS = "DAU of persons with a property, 30 days"
REPORT = "identity report, 30 days"
PLAN: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    BY_PROPERTY: (trends, {**MONTH, "math": "dau", "breakdown": "plan"}),
    OF_PERSONS: (
        trends,
        {**MONTH, "math": "dau", "filters": [{"key": "plan", "type": "person", "operator": "exact", "value": "pro"}]},
    ),
}
ALONE = {  # what has nothing beside it, and why
    OF_PERSONS: "persons' properties are not in the copy, but fetched from the store for each answer, as they are now: "
    "plain DuckDB would have to fetch them in the same way",
    REPORT: "some fifteen questions in one answer, which nobody would write by hand",
}
TARGETS = {"ratio": 1.5, "seconds": 2.0, "faster": 5.0}  # by hand, at most; an answer, at most; SQL on SQLite, at least
LENGTH = "select avg(length(properties)) from event where seq between 2 and 10000"


def built(columns: Columns, project: Project) -> float:
    """Build the copy and give the seconds."""
    started = time.perf_counter()
    while True:
        try:
            with columns.reading(project.id):
                return time.perf_counter() - started
        except TooBusy as error:
            print(f"\r{error}", end="", flush=True)


def timed_alone(title: str, work: Callable[[], Any]) -> dict[str, float] | None:
    """Give what timed gives, or None if the answer is refused."""
    try:
        return timed({title: work})[title]
    except TooBusy as refusal:
        print(f"{title}: refused, {refusal}", flush=True)
        return None


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
    plain = duckdb.connect(f"{folder}/plain.duckdb", config=dict(CONFIG))
    fill(plain, "e", "select timestamp as t, event, id from event order by seq", folder, columns, project)
    fill(plain, "m", "from ids", folder, columns, project)
    plain.execute("create view event as select t as timestamp, event, id, person from e join m using (id)")
    plain.execute("checkpoint")
    return plain


def fill(
    plain: duckdb.DuckDBPyConnection, name: str, rows: str, folder: Path, columns: Columns, project: Project
) -> None:
    """Make a table of plain DuckDB's with these rows of the copy."""
    place = folder / f"{name}.parquet"
    with columns.reading(project.id) as reading:
        reading._connection.execute(f"copy ({rows}) to '{place}'")
    plain.execute(f"create table {name} as from '{place}'")
    place.unlink()


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
        ask = partial(asked, store, columns, project)
        for title, (question, body) in QUESTIONS.items():
            works: dict[str, Callable[[], Any]] = {
                "ours": lambda q=question, b=body: ask(q, b),
                "plain": lambda t=title: plain.execute(PLAIN[t]).fetchall(),
                "same": lambda q=question, b=body: on(Reading(plain), q, b),
            }
            ours = counts(works["ours"]())
            alike(title, {"ours": ours, "by hand": counts_of(works["plain"]()), "same SQL": counts(works["same"]())})
            row: dict[str, Any] = {**timed(works), "sqlite": None}
            if with_sql:
                started = time.perf_counter()
                rows = [raw.execute(statement).fetchall() for statement in SQL[title].split(";")]
                row["sqlite"] = time.perf_counter() - started
                alike(title, {"ours": ours, "SQL on SQLite": counts_of(rows[-1])})
            result["questions"][title] = row
            print(title, json.dumps(row), flush=True)
        result["plain_mb"] = size(folder / "plain.duckdb")
        result["by_property"] = by_property(plain, folder, columns, project, partial(ask, *PLAN[BY_PROPERTY]))
        report = partial(identity_report, store, columns, project, dict(MONTH), now=START + 60 * DAY)
        works = {OF_PERSONS: partial(ask, *PLAN[OF_PERSONS]), REPORT: report}
        result["alone"] = {title: timed_alone(title, work) for title, work in works.items()}
        print(json.dumps(result["alone"]), flush=True)
        result["peak_memory_mb"] = peak_mib()
        plain.close()
        columns.close()
    raw.close()
    store.close()
    return result


def by_property(
    plain: duckdb.DuckDBPyConnection, folder: Path, columns: Columns, project: Project, ours: Callable[[], Any]
) -> dict[str, Any] | None:
    """Ask for a breakdown by what is in the properties' text, of plain DuckDB too; None if beknown refuses it."""
    fill(plain, "p", "select timestamp as t, id, properties from event", folder, columns, project)
    plain.execute("checkpoint")
    by_hand = lambda: plain.execute(PLAIN[BY_PROPERTY]).fetchall()  # noqa: E731
    try:
        alike(BY_PROPERTY, {"ours": counts(ours()), "by hand": counts_of(by_hand())})
        row = timed({"ours": ours, "plain": by_hand})
    except TooBusy as refusal:
        print(f"{BY_PROPERTY}: refused, {refusal}", flush=True)
        return None
    print(BY_PROPERTY, json.dumps(row), flush=True)
    return row


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
    for title, row in {**result["questions"], BY_PROPERTY: result["by_property"]}.items():
        lines.append(f"| {title} | {' | '.join(_cells(row))} |")
    for title, ours in result["alone"].items():
        lines.append(f"| {title} | {_seconds(ours) if ours else 'refused'} |" + " - |" * 6)
    lines += ["", f"*{BY_PROPERTY}*: by hand over a table that has the same text of properties beside each event."]
    lines += [f"*{title}* has nothing beside it: {why}." for title, why in ALONE.items()]
    return "\n".join(lines) + "\n"


def _seconds(one: dict[str, float]) -> str:
    return f"{one['wall']:.2f} ({one['processor']:.2f})"


def _cells(row: dict[str, Any] | None) -> list[str]:
    if row is None:
        return ["refused", *["-"] * 6]
    cells = [_seconds(row["ours"])]
    for name in ("plain", "same"):
        ratio = f"{row['ours']['processor'] / row[name]['processor']:.2f}" if name in row else "-"
        cells += [_seconds(row[name]) if name in row else "-", ratio]
    slow = row.get("sqlite")
    return [*cells, *([f"{slow:.2f}", f"{slow / row['ours']['wall']:.0f}"] if slow else ["-", "-"])]


def targets(result: dict[str, Any]) -> dict[str, bool]:
    """Say of each target what its worst question has, and whether it holds."""
    rows = result["questions"].items()
    ratio, of = max((row["ours"]["processor"] / row["plain"]["processor"], title) for title, row in rows)
    found = {f"at most {TARGETS['ratio']} times by hand: {ratio:.2f} ({of})": ratio <= TARGETS["ratio"]}
    longest, of = max((row["ours"]["wall"], title) for title, row in rows)
    found[f"at most {TARGETS['seconds']} s: {longest:.2f} ({of})"] = longest <= TARGETS["seconds"]
    fresh = result["fresh_seconds"]
    found[f"a fresh event after at most {TARGETS['seconds']} s: {fresh:.2f}"] = fresh <= TARGETS["seconds"]
    if all(row["sqlite"] for _, row in rows):
        least, of = min((row["sqlite"] / row["ours"]["wall"], title) for title, row in rows)
        found[f"at least {TARGETS['faster']} times as fast as SQL: {least:.1f} ({of})"] = least >= TARGETS["faster"]
    return found


@contextmanager
def kept(folder: Path | None) -> Iterator[Path]:
    """Give the folder of the stores: the one that was named, or one that is removed afterwards."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="beknown-bench-") as name:
        yield Path(name)


def main() -> int:
    """Run it, print the tables and whether the targets hold; give 1 if one does not."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--events", type=int, nargs="+", default=[1_000_000, 10_000_000])
    options.add_argument("--properties", choices=["varied", "constant"], default="varied", help="of the events")
    options.add_argument("--data", type=Path, help="keep the stores here for the next run")
    options.add_argument("--no-sql", action="store_true", help="leave out SQL on SQLite, the slowest part")
    given = options.parse_args()
    held: dict[str, bool] = {}
    with kept(given.data) as data:
        for events in given.events:
            result = measured(events, data, given.properties, with_sql=not given.no_sql)
            report = table(result)
            print("\n" + report)
            place = Path(__file__).parent / "results" / f"insights-{events}"
            place.parent.mkdir(exist_ok=True)
            place.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
            place.with_suffix(".md").write_text(report)
            held |= {f"{events:,} events, {target}": holds for target, holds in targets(result).items()}
    for target, holds in held.items():
        print(f"{'holds' if holds else 'DOES NOT HOLD'}: {target}")
    return 0 if all(held.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
