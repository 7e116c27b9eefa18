"""What one thing said about identity costs, by how many persons there are and how many ids a person has.

    python bench/identity.py [--persons 1000,100000,1000000] [--sizes 2,100,10000] [--results FOLDER]

A claim is one `$identify` of a visitor who was seen before, stored alone: `Store.append` of one event, with its commit
to the disk. Beside it, in turn and in the same store: the same event without the claim, so that what identity adds
shows. Late is what happened before anything else that was said about the same ids:

    late claim      of one more device of a user who was a user before: the everyday case; and the same said again
    late alias      before all claims: all that is connected is decided anew (a replay)
    undo            of a claim in the middle: the same

What fills a store and what replays leave both of them work that later commits would pay for. So SQLite's log is
checkpointed, or PostgreSQL's tables are vacuumed and analyzed, before anything is timed, and of a user what needs no
replay is timed before what does. Medians of many; both stores; what they are made with is what `beknown serve` makes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from beknown.ids import uuid7
from beknown_server.errors import TooBusy
from beknown_server.store import Claim, Event, Project, Store, open_store, person_id
from postgres import Postgres

RESULTS = Path(__file__).parent / "results"
NOW = 1_795_000_000_000
LATER = NOW + 100_000_000  # when all of it arrives
PIECE = 4_000
RUNS = 60  # of each kind in a row of the first table
FEW = 7  # in a row of the second

# What is measured, and what it is called.
BY_PERSONS = {
    "persons": "persons",
    "plain": "event without a claim",
    "claim": "event with a claim",
    "late_alias": "late alias of a user of 2 ids (replay)",
    "read": "the person of an anonymous id",
    "read_by_id": "the person by their id",
}
BY_SIZE = {
    "ids": "ids",
    "event": "event",
    "claim": "claim in order",
    "late_claim": "late claim",
    "late_repeat": "the same again",
    "late_alias": "late alias (replay)",
    "undo": "undo (replay)",
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--persons", default="1000,100000,1000000")
    options.add_argument("--sizes", default="2,100,10000")
    options.add_argument("--only", choices=["SQLite", "PostgreSQL"])
    options.add_argument("--results", type=Path, default=RESULTS)
    chosen = options.parse_args()
    persons, sizes = ([int(one) for one in text.split(",")] for text in (chosen.persons, chosen.sizes))
    found: dict[str, Any] = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine(), "stores": {}}
    if chosen.only and (chosen.results / "identity.json").exists():  # the other one's figures stay
        found["stores"] = json.loads((chosen.results / "identity.json").read_text())["stores"]
    with tempfile.TemporaryDirectory() as folder:
        server = Postgres()
        try:
            for name, url in (("SQLite", f"sqlite:///{folder}/beknown.db"), ("PostgreSQL", server.database())):
                if chosen.only not in (None, name):
                    continue
                store = open_store(url)
                store.migrate()
                found["stores"][name] = {
                    "by_size": by_size(store, url, sizes),
                    "by_persons": by_persons(store, url, persons),
                }
                store.close()
                written(found, chosen.results)
        finally:
            server.remove()
    print(markdown(found))


def written(found: dict[str, Any], folder: Path) -> None:
    (folder / "identity.json").write_text(json.dumps(found, indent=1) + "\n")
    (folder / "identity.md").write_text(markdown(found))


def by_persons(store: Store, url: str, wanted: list[int]) -> list[dict[str, Any]]:
    """Fill a project step by step, and time claims at each step."""
    project = made(store, "many persons")
    rows, there = [], 0
    for persons in sorted(wanted):
        fill(store, project, there, persons)
        settle(url)
        pairs = range(there - there % -10, persons, 10)  # users of two ids, to whom nothing else happens here
        there = persons
        times: dict[str, list[float]] = {name: [] for name in BY_PERSONS if name != "persons"}
        for number, pair in enumerate(pairs[:: max(len(pairs) // RUNS, 1)][:RUNS]):
            at, user = NOW + 10_000_000 + there + number, f"user-{(number * (persons // RUNS)) | 1}"
            visitor = uuid7(at, os.urandom(10))  # as the tag makes them: it might be a person's id as well
            store.append(project.id, [event("$pageview", visitor, at)], LATER)
            times["claim"].append(told(store, project, claim(visitor, user, at + 1)))
            times["plain"].append(told(store, project, event("x", user, at + 2)))
            times["late_alias"].append(told(store, project, alias(f"old-{pair}", f"user-{pair}", NOW - 99)))
            times["read"].append(timed(lambda: store.person(project.id, visitor)))  # noqa: B023
            person = str(person_id(project.id, user))
            times["read_by_id"].append(timed(lambda: store.person(project.id, person)))  # noqa: B023
        rows.append({"persons": persons, **{name: median(times[name]) for name in times}})
        print(rows[-1], flush=True)
    return rows


def by_size(store: Store, url: str, sizes: list[int]) -> list[dict[str, Any]]:
    """Make a user of so many ids, and time what comes in order, late and undone."""
    rows = []
    for size in sizes:
        project = made(store, f"{size} ids")
        fill_user(store, project, size)
        settle(url)
        links = store.explain(project.id, "user").links
        middle = links[len(links) // 2]
        times: dict[str, list[float]] = {name: [] for name in BY_SIZE if name != "ids"}
        for number in range(FEW):
            at = NOW + 1_000_000 + number
            times["event"].append(told(store, project, event("x", "user", at)))
            times["claim"].append(told(store, project, claim(f"in-order-{number}", "user", at)))
            times["late_claim"].append(told(store, project, claim(f"late-{number}", "user", NOW + size // 2)))
            times["late_repeat"].append(told(store, project, claim(f"late-{number}", "user", NOW + size)))
        for number in range(FEW):
            times["late_alias"].append(told(store, project, alias(f"old-{number}", "user", NOW - 99 + number)))
            times["undo"].append(timed(lambda: store.corrections.undo(project.id, middle.id, now=LATER)))  # noqa: B023
            store.corrections.redo(project.id, middle.id)
        rows.append({"ids": size, **{name: median(times[name]) for name in times}})
        print(rows[-1], flush=True)
    return rows


def settle(url: str) -> None:
    """Have done what filling has left to do."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:
            file.execute("pragma wal_checkpoint(truncate)")
    else:
        with psycopg.connect(url, autocommit=True) as server:
            server.execute("vacuum analyze")


def made(store: Store, name: str) -> Project:
    return store.create_project(name, "bk_" + name, "bks_" + name, NOW)


def fill(store: Store, project: Project, first: int, last: int) -> None:
    """Add persons; every tenth is a user with a visitor's id that was theirs."""
    for start in range(first, last, PIECE):
        numbers = range(start, min(start + PIECE, last))
        told = [
            event("x", f"user-{n}", NOW + n) if n % 10 else claim(f"visitor-{n}", f"user-{n}", NOW + n) for n in numbers
        ]
        patiently(store, project, told)


def patiently(store: Store, project: Project, told: list[Event]) -> None:
    while True:
        with suppress(TooBusy):  # a machine that others use, too; sending it again is safe
            store.append(project.id, told, NOW)
            return


def fill_user(store: Store, project: Project, size: int) -> None:
    claims = [claim(f"device-{n}", "user", NOW + n) for n in range(1, size)]
    for start in range(0, len(claims), PIECE):
        patiently(store, project, claims[start : start + PIECE])


def event(name: str, who: str, at: int, said: Claim | None = None) -> Event:
    return Event(uuid7(at, os.urandom(10)), name, who, at, {"$browser": "Firefox"}, claim=said)


def claim(visitor: str, user: str, at: int) -> Event:
    return event("$identify", user, at, Claim("claim", visitor, user))


def alias(x: str, y: str, at: int) -> Event:
    return event("$create_alias", y, at, Claim("alias", x, y))


def told(store: Store, project: Project, one: Event) -> float:
    """Store an event alone, and give how long that took (ms)."""
    return timed(lambda: store.append(project.id, [one], LATER))


def timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def median(times: list[float]) -> float:
    return round(statistics.median(times), 2)


def machine() -> str:
    return (
        f"{os.cpu_count()} cores, {platform.system()}, CPython {platform.python_version()}; "
        f"databases in {tempfile.gettempdir()}; others used the machine meanwhile"
    )


def markdown(found: dict[str, Any]) -> str:
    lines = ["# What one fact costs", "", f"`python bench/identity.py`, {found['at']}, {found['machine']}.", ""]
    lines += ["Medians, ms; each is stored alone, with its commit.", ""]
    for name, tables in found["stores"].items():
        lines += [f"## {name}, by the persons in the store", "", *table(BY_PERSONS, tables["by_persons"]), ""]
        lines += [f"## {name}, by the ids of the user", "", *table(BY_SIZE, tables["by_size"]), ""]
    return "\n".join(lines)


def table(columns: dict[str, str], rows: list[dict[str, Any]]) -> list[str]:
    shown = [[f"{row[name]:,}" if name in row else "" for name in columns] for row in rows]
    return [f"| {' | '.join(cells)} |" for cells in (columns.values(), ["---:"] * len(columns), *shown)]


if __name__ == "__main__":
    main()
