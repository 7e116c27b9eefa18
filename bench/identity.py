"""What one thing said about identity costs, by how many persons there are and how many ids a person has.

    python bench/identity.py [--persons 1000,100000,1000000] [--sizes 2,100,10000] [--results FOLDER]

A claim is one `$identify` of a visitor who was seen before, stored alone: `Store.append` of one event, with its commit
to the disk. Beside it, in turn and in the same store: the same event without the claim, so that what identity adds
shows. Late is what happened before anything else that was said about the same ids:

    late claim      of one more device of a user who was a user before: the everyday case
    late alias      before all claims: all that is connected is decided anew (a replay)
    undo            of a claim in the middle: the same

Medians of many; both stores; what they are made with is what `beknown serve` makes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from beknown.ids import uuid7
from beknown_server.errors import TooBusy
from beknown_server.store import Claim, Event, Project, Store, open_store
from postgres import Postgres

RESULTS = Path(__file__).parent / "results"
NOW = 1_795_000_000_000
PIECE = 4_000
RUNS = 60  # of each kind in a row of the first table
FEW = 7  # in a row of the second


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
                found["stores"][name] = {"by_size": by_size(store, sizes), "by_persons": by_persons(store, persons)}
                store.close()
                written(found, chosen.results)
        finally:
            server.remove()
    print(markdown(found))


def written(found: dict[str, Any], folder: Path) -> None:
    (folder / "identity.json").write_text(json.dumps(found, indent=1) + "\n")
    (folder / "identity.md").write_text(markdown(found))


def by_persons(store: Store, wanted: list[int]) -> list[dict[str, Any]]:
    """Fill a project step by step, and time claims at each step."""
    project = made(store, "many persons")
    rows, there = [], 0
    for persons in sorted(wanted):
        fill(store, project, there, persons)
        there = persons
        times: dict[str, list[float]] = {"claim": [], "plain": [], "read": []}
        for number in range(RUNS):
            at, user = NOW + 10_000_000 + there + number, f"user-{number * (persons // RUNS)}"
            visitor = f"new-{persons}-{number}"
            store.append(project.id, [event("$pageview", visitor, at)], at)
            times["claim"].append(timed(lambda: store.append(project.id, [claim(visitor, user, at + 1)], at)))  # noqa: B023
            times["plain"].append(timed(lambda: store.append(project.id, [event("x", user, at + 2)], at)))  # noqa: B023
            times["read"].append(timed(lambda: store.person(project.id, visitor)))  # noqa: B023
        rows.append({"persons": persons, **{name: median(times[name]) for name in times}})
        print(rows[-1], flush=True)
    return rows


def by_size(store: Store, sizes: list[int]) -> list[dict[str, Any]]:
    """Make a user of so many ids, and time what comes in order, late and undone."""
    rows = []
    for size in sizes:
        project = made(store, f"{size} ids")
        fill_user(store, project, size)
        links = store.explain(project.id, "user").links
        middle = links[len(links) // 2]
        times: dict[str, list[float]] = {name: [] for name in ("event", "claim", "late_claim", "late_alias", "undo")}
        for number in range(FEW):
            at = NOW + 1_000_000 + number
            here: dict[str, Callable[[], Any]] = {
                "event": lambda: store.append(project.id, [event("x", "user", at)], at),  # noqa: B023
                "claim": lambda: store.append(project.id, [claim(f"in-order-{number}", "user", at)], at),  # noqa: B023
                "late_claim": lambda: store.append(project.id, [claim(f"late-{number}", "user", NOW + size // 2)], at),  # noqa: B023
                "late_alias": lambda: store.append(project.id, [alias(f"old-{number}", "user", NOW - 99 + number)], at),  # noqa: B023
                "undo": lambda: store.corrections.undo(project.id, middle.id, now=at),  # noqa: B023
            }
            for name, work in here.items():
                times[name].append(timed(work))
            store.corrections.redo(project.id, middle.id)
        rows.append({"ids": size, **{name: median(times[name]) for name in times}})
        print(rows[-1], flush=True)
    return rows


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
        lines += [f"## {name}, by the persons in the store", ""]
        lines += [
            "| persons | event without a claim | event with a claim | reading the person |",
            "|---:|---:|---:|---:|",
        ]
        lines += [f"| {r['persons']:,} | {r['plain']} | {r['claim']} | {r['read']} |" for r in tables["by_persons"]]
        lines += ["", f"## {name}, by the ids of the user", ""]
        lines += [
            "| ids | event | claim in order | late claim | late alias (replay) | undo (replay) |",
            "|---:|---:|---:|---:|---:|---:|",
        ]
        lines += [
            f"| {r['ids']:,} | {r['event']} | {r['claim']} | {r['late_claim']} | {r['late_alias']} | {r['undo']} |"
            for r in tables["by_size"]
        ]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
