"""How much `beknown serve` takes in, beside a null handler (the ceiling), the plain way and the least, in one run.

    python bench/ingest.py [--seconds 3] [--only sqlite|postgresql] [--results FOLDER]

For each kind of load (single events, batches of 50), number of workers (1, 2) and database, the four servers take
turns: as fast as 32 connections ask (the peak), then at half of beknown's and the others' own peak (the latencies).
Every answer but 200 fails the run; so does an event that was acknowledged and is not stored. About six minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
from load import Events, Load
from postgres import Postgres, programs

RESULTS = Path(__file__).parent / "results"
KEY = "bk_bench"
CONNECTIONS = 32
WARM_UP_S = 1.0
BATCHES = {"single": 1, "batch of 50": 50}
WORKERS = (1, 2)
SERVERS = ("null", "plain", "least", "beknown")
TICK = os.sysconf("SC_CLK_TCK")
Numbers = dict[str, Any]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--seconds", type=float, default=3.0, help="of each stretch of load")
    options.add_argument("--only", choices=("sqlite", "postgresql"))
    options.add_argument("--servers", default=",".join(SERVERS))
    options.add_argument("--workers", default=",".join(map(str, WORKERS)))
    options.add_argument("--loads", default=",".join(BATCHES))
    options.add_argument("--results", type=Path, default=RESULTS)
    chosen = options.parse_args()
    engines = [chosen.only] if chosen.only else ["sqlite", *(["postgresql"] if programs() else [])]
    rows = []
    for engine in engines:
        with databases(engine) as (new, database_pid):
            for load in chosen.loads.split(","):
                for workers in map(int, chosen.workers.split(",")):
                    for server in chosen.servers.split(","):
                        row = {"database": engine, "load": load, "workers": workers, "server": server}
                        row |= measured(server, new(), BATCHES[load], workers, chosen.seconds, database_pid)
                        rows.append(row)
                        print(line(row), flush=True)
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "gunicorn": version("gunicorn"),
        "flask": version("flask"),
        "processors": os.cpu_count(),
        "connections": CONNECTIONS,
        "seconds": chosen.seconds,
        "rows": rows,
    }
    (chosen.results / "ingest.json").write_text(json.dumps(result, indent=1) + "\n")
    (chosen.results / "ingest.md").write_text(markdown(result))


def line(row: Numbers) -> str:
    """Give a row for the terminal."""
    return (
        f"{row['database']:10} {row['load']:11} {row['workers']} worker{'s' if row['workers'] > 1 else ' '} "
        f"{row['server']:8} {row['requests_s']:7,.0f} requests/s {row['events_s']:8,.0f} events/s  "
        f"peak p50 {row['peak_p50_ms']:6.1f} p99 {row['peak_p99_ms']:6.1f} ms  half p50 {row['half_p50_ms']:5.1f} "
        f"p99 {row['half_p99_ms']:6.1f} ms  {row['cpu_us']:6.0f} + {row['database_cpu_us']:.0f} us CPU/event"
    )


# The servers -------------------------------------------------------------------------------------------------------


@contextmanager
def databases(engine: str) -> Iterator[Any]:
    """Give a maker of empty databases, and the number of the process that they live in (or None)."""
    if engine == "postgresql":
        server = Postgres()
        try:
            yield server.database, server.pid
        finally:
            server.remove()
        return
    with tempfile.TemporaryDirectory() as folder:
        yield lambda: f"sqlite:///{tempfile.mkdtemp(dir=folder)}/bench.db", None


@contextmanager
def serving(server: str, database: str, workers: int) -> Iterator[tuple[int, int]]:
    """Run a server; give its port and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    here = Path(__file__).parent
    command = [sys.executable, *(["-m", "beknown_server", "serve", "--migrate"] if server == "beknown" else [])]
    command += [str(here / "peers.py"), server] if server != "beknown" else []
    command += ["--port", str(port), "--database", database, "--workers", str(workers)]
    environment = os.environ | {"BEKNOWN_KEY": KEY, "BEKNOWN_SECRET_KEY": "bks_bench"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        _await(port, process)
        yield port, process.pid
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz/ready", timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
        if process.poll() is not None:
            break
    raise SystemExit("the server did not become ready")


def measured(server: str, database: str, batch: int, workers: int, seconds: float, database_pid: int | None) -> Numbers:
    """Load one server and give what it did."""
    with serving(server, database, workers) as (port, pid):
        load = Load(port, CONNECTIONS, Events(KEY, batch).request)
        warm = load.closed(WARM_UP_S)
        before, own, others = cpu(pid), time.process_time(), cpu(database_pid)
        peak = load.closed(seconds)
        spent, own, others = cpu(pid) - before, time.process_time() - own, cpu(database_pid) - others
        half = load.paced(seconds, peak.rate / 2)
        load.close()
    done = [warm, peak, half]
    failed = sum(one.failed for one in done)
    if failed:
        raise SystemExit(f"{server}: {failed} requests were not answered with 200")
    acknowledged = batch * sum(len(one.latencies) for one in done)
    if server != "null" and (stored := count(database)) != acknowledged:
        raise SystemExit(f"{server}: {acknowledged} events were acknowledged, {stored} are stored")
    events = batch * len(peak.latencies)
    return {
        "requests_s": peak.rate,
        "events_s": events / peak.seconds,
        "peak_p50_ms": peak.ms(50),
        "peak_p99_ms": peak.ms(99),
        "half_p50_ms": half.ms(50),
        "half_p99_ms": half.ms(99),
        "cpu_us": 1e6 * spent / events,
        "database_cpu_us": 1e6 * others / events,
        "generator_cpu_us": 1e6 * own / events,
        "requests": len(peak.latencies),
    }


def count(database: str) -> int:
    """Count the stored events."""
    if database.startswith("sqlite"):
        connection: Any = sqlite3.connect(database.removeprefix("sqlite:///"))
    else:
        connection = psycopg.connect(database)
    found = connection.execute("select count(*) from event").fetchone()
    connection.close()
    return int(found[0])


def cpu(pid: int | None) -> float:
    """Give the seconds of processor time that a process and its children have used."""
    if pid is None:
        return 0.0
    total = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # ended meanwhile
        if pid in (int(stat.parent.name), int(fields[1])):
            total += sum(map(int, fields[11:15])) / TICK  # its own time, and its ended children's
    return total


# The tables --------------------------------------------------------------------------------------------------------


def markdown(result: Numbers) -> str:
    """Give the tables, each row beside its ceiling."""
    lines = [
        "# How much the server takes in",
        "",
        f"{result['date']}, Python {result['python']}, gunicorn {result['gunicorn']}, Flask {result['flask']}, "
        f"{result['processors']} processors with the load generator on them; {result['connections']} connections, "
        f"events of about 1 KB. `bench/README.md` says what each row is.",
    ]
    for load in dict.fromkeys(row["load"] for row in result["rows"]):
        lines += ["", f"## {load.capitalize()}", "", *_table([row for row in result["rows"] if row["load"] == load])]
    return "\n".join(lines) + "\n"


def _table(rows: list[Numbers]) -> list[str]:
    lines = [
        "| database | workers | server | requests/s | of null | events/s | p50, p99 ms at the peak | at half of it "
        "| CPU us per event, server + database |",
        "|---|---:|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        place = (row["database"], row["workers"])
        null = [one for one in rows if (one["database"], one["workers"], one["server"]) == (*place, "null")]
        share = f"{row['requests_s'] / null[0]['requests_s']:.0%}" if null else "-"
        lines.append(
            f"| {row['database']} | {row['workers']} | {row['server']} | {row['requests_s']:,.0f} | {share} "
            f"| {row['events_s']:,.0f} | {row['peak_p50_ms']:.1f}, {row['peak_p99_ms']:.1f} "
            f"| {row['half_p50_ms']:.1f}, {row['half_p99_ms']:.1f} "
            f"| {row['cpu_us']:.0f} + {row['database_cpu_us']:.0f} |"
        )
    return lines


if __name__ == "__main__":
    main()
