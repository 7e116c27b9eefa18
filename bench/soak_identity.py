"""Random histories of what was said about ids, stored by one process or four that are killed, against the oracle.

    python bench/soak_identity.py [--histories 10000] [--only sqlite|postgresql] [--seed N] [--results FILE]

So many histories are told to each store, SQLite and PostgreSQL. Each is shuffled, repeated in part, cut into parcels
and given to processes that store it; some of them are killed (SIGKILL) before, in or after the transaction, and go on
with what was not acknowledged. In one of ten an operator undoes, redoes, merges, splits, deletes and expires between
what arrives. Then persons, properties, log, counts, events and groups must be what the sequential oracle
(tests/server/oracle.py) says of the sorted facts. Ends with 1, and prints the seeds, where they are not, or where of
many kills none left its parcel stored, or none lost it.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import psycopg
from beknown_server.store import Store
from postgres import Postgres

from tests.server import histories
from tests.server.histories import Hand
from tests.server.operated import Operated

RESULTS = Path(__file__).parent / "results/soak_identity.json"
FOUR = 0.4  # of the histories are stored by four processes, the others by one
KILLED = 0.2  # of the histories see kills: of KILLS % of their parcels
KILLS = 15
FEW = 30  # kills: of more some must have left their parcel stored, and some have lost it
OPERATED = 0.1  # of the histories have an operator in them, who has STEPS with what arrives
STEPS = 20
# What is killed is our processes, and what is tested is not the disk.
FAST = Path("/dev/shm")
UNHURRIED = "do $$ begin execute 'alter database ' || current_database() || ' set synchronous_commit = off'; end $$"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--histories", type=int, default=10_000)
    options.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    options.add_argument("--only", choices=["sqlite", "postgresql"])
    options.add_argument("--results", type=Path, default=RESULTS)
    chosen = options.parse_args()
    print(f"soak_identity: {chosen.histories} histories on each store, seed {chosen.seed}", flush=True)
    with tempfile.TemporaryDirectory(dir=FAST if FAST.is_dir() else None) as folder:
        server = Postgres()
        try:
            addresses = {"postgresql": server.database(), "sqlite": f"sqlite:///{folder}/beknown.db"}
            with psycopg.connect(addresses["postgresql"], autocommit=True) as raw:
                raw.execute(UNHURRIED)
            wanted = {name: url for name, url in addresses.items() if chosen.only in (None, name)}
            found = soak(wanted, chosen.histories, chosen.seed, chosen.results)
        finally:
            server.remove()
    print(json.dumps(found, indent=2))
    unseen = [run["store"] for run in found for what in ("stored", "lost") if run["kills"] > FEW and not run[what]]
    return 1 if unseen or any(run["wrong"] for run in found) else 0


def soak(addresses: dict[str, str], count: int, seed: int, results: Path) -> list[dict[str, Any]]:
    """Tell so many histories to each store, and give what was found; noted on the way, should it be ended."""
    runs: list[dict[str, Any]] = []
    for name, address in addresses.items():
        began = time.monotonic()
        run: dict[str, Any] = {"store": name, "seed": seed, "histories": 0, "operated": 0, "said": 0, "by_four": 0}
        run |= {"kills": 0, "stored": 0, "lost": 0, "wrong": [], "seconds": 0}
        runs.append(run)
        with histories.crowd(address) as (store, hands):
            for number in range(count):
                one_history(run, store, hands, f"{seed}.{name}.{number}")
                run["seconds"] = round(time.monotonic() - began)
                if number % 500 == 499 or number == count - 1:
                    print(f"  {name}: {number + 1}, {len(run['wrong'])} wrong", flush=True)
                    results.write_text(json.dumps({"runs": runs}, indent=2) + "\n")
    return runs


def one_history(run: dict[str, Any], store: Store, hands: list[Hand], seed: str) -> None:
    """Tell one history, and note in the run what was found."""
    chance = random.Random(seed)
    project = store.create_project(seed, "bk_" + seed, "bks_" + seed, histories.NOW)
    four, is_operated = chance.random() < FOUR, chance.random() < OPERATED
    percent = KILLS if chance.random() < KILLED else 0
    chosen = hands if four else hands[:1]
    if is_operated:
        operated = Operated(chosen, store, project, chance, kills=percent)
        said, kills = len(operated.waiting), operated.killed
        wrong = next((wrong for _ in range(STEPS) if (wrong := operated.step())), [])
    else:
        history = histories.history(chance)
        said, kills = len(history), histories.deliver(chosen, store, project, history, chance, kills=percent).kills
        wrong = histories.differences(store, project, history)
    found = {"histories": 1, "operated": is_operated, "said": said, "by_four": four, "kills": kills.total()}
    for what, more in {**found, "stored": kills["stored"], "lost": kills["lost"]}.items():
        run[what] += more
    run["wrong"] += [{"history": seed, "differences": wrong}] if wrong else []


if __name__ == "__main__":
    sys.exit(main())
