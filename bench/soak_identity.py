"""Random histories of what was said about ids, stored by one process or four that are killed, against the oracle.

    python bench/soak_identity.py [--histories 10000] [--only sqlite|postgresql] [--seed N] [--results FILE]

So many histories are told to each store, SQLite and PostgreSQL. Each is shuffled, repeated in part, cut into batches
and given to processes that store it; some of them are killed in the middle (SIGKILL) and go on with what was not
acknowledged. Then persons, properties and log must be what the sequential oracle (tests/server/oracle.py) says of the
sorted facts. Ends with 1, and prints the seeds, where they are not.
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
from postgres import Postgres

from tests.server import histories

RESULTS = Path(__file__).parent / "results/soak_identity.json"
FOUR = 0.4  # of the histories are stored by four processes, the others by one
KILLED = 0.2  # of the histories see kills: KILLS of their batches
KILLS = 0.1
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
    return 1 if any(run["wrong"] for run in found) else 0


def soak(addresses: dict[str, str], count: int, seed: int, results: Path) -> list[dict[str, Any]]:
    """Tell so many histories to each store, and give what was found; noted on the way, should it be ended."""
    histories.Hand.context.set_forkserver_preload(["tests.server.histories"])
    runs: list[dict[str, Any]] = []
    for name, address in addresses.items():
        began = time.monotonic()
        run: dict[str, Any] = {"store": name, "seed": seed, "histories": 0, "said": 0, "kills": 0, "by_four": 0}
        run |= {"wrong": [], "seconds": 0}
        runs.append(run)
        store = histories.open_store(address)
        store.migrate()
        hands = [histories.Hand(address) for _ in range(4)]
        for number in range(count):
            own = f"{seed}.{name}.{number}"
            chance = random.Random(own)
            said = histories.history(chance)
            project = store.create_project(own, "bk_" + own, "bks_" + own, histories.NOW)
            four = chance.random() < FOUR
            kills = KILLS if chance.random() < KILLED else 0.0
            run["kills"] += histories.deliver(hands if four else hands[:1], project.id, said, chance, kills=kills)
            wrong = histories.differences(store, project, said)
            run["wrong"] += [{"history": own, "differences": wrong}] if wrong else []
            run["histories"] += 1
            run["said"] += len(said)
            run["by_four"] += four
            run["seconds"] = round(time.monotonic() - began)
            if number % 500 == 499 or number == count - 1:
                print(f"  {name}: {number + 1}, {len(run['wrong'])} wrong", flush=True)
                results.write_text(json.dumps({"runs": runs}, indent=2) + "\n")
        for hand in hands:
            hand.end()
        store.close()
    return runs


if __name__ == "__main__":
    sys.exit(main())
