"""How well people are told apart: simulated people, whose truth is known, counted in five ways from one trace.

    python bench/population.py [--people 3000] [--days 35] [--seed 1] [--results FOLDER]

The people and their troubles are town.py's. The same events are counted by
    beknown       ``beknown_server.identity.replay`` of what was said, in the order it happened
    PostHog       its documented rules (reference: the decision table of merges), in the order of arrival
    daily hash    of address and browser, with a salt that lasts a day, as Plausible does
    monthly hash  the same with a salt that lasts a calendar month, as Umami does unless told otherwise
    raw ids       every distinct id is somebody

Units are visits of browsers (a visit under two ids is two). Of all pairs of units: precision is the share of "same
person" that is true, recall the share of true "same person" that was found. Unique users, and the mean absolute error
of DAU and WAU (trailing seven days), are relative to the truth.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean

from beknown_server.identity import CLAIM, NAMED, Fact, replay
from town import DAY, SERVER, START, TROUBLES, Happened, Town, World

RESULTS = Path(__file__).parent / "results"


# Five ways to count ---------------------------------------------------------------------------------------------------

Whose = Callable[[Happened], Hashable]


def beknown(trace: list[Happened]) -> Whose:
    facts = [
        Fact(CLAIM if one.claims else NAMED, one.claims or one.distinct_id, one.distinct_id, one.at, number)
        for number, one in enumerate(trace)
        if one.claims or one.named
    ]
    clusters, _ = replay(facts)
    return lambda one: clusters[one.distinct_id].standing.survivor if one.distinct_id in clusters else one.distinct_id


def posthog(trace: list[Happened]) -> Whose:
    """Its documented rules: by arrival, and an unseen target is attached without asking (posthog-server §2.4)."""
    person: dict[str, int] = {}
    ids: dict[int, set[str]] = {}
    identified: set[int] = set()

    def attach(name: str, number: int) -> None:
        person[name] = number
        ids.setdefault(number, set()).add(name)

    for number, one in enumerate(sorted(trace, key=lambda event: event.arrives)):
        source, target = one.claims, one.distinct_id
        if source is None or source == target:
            if one.personal and target not in person:
                attach(target, number)
            continue
        if source not in person and target not in person:
            attach(source, number)
            attach(target, number)
        elif target not in person:
            attach(target, person[source])
        elif source not in person:
            attach(source, person[target])
        elif person[source] != person[target] and person[source] not in identified:
            for name in ids.pop(person[source]):
                attach(name, person[target])
        identified.add(person[target])
    return lambda one: person.get(one.distinct_id, one.distinct_id)


def daily_hash(trace: list[Happened]) -> Whose:
    return lambda one: (one.at // DAY, *one.place)


def monthly_hash(trace: list[Happened]) -> Whose:
    return lambda one: (f"{datetime.fromtimestamp(one.at / 1000, UTC):%Y-%m}", *one.place)


def raw_ids(trace: list[Happened]) -> Whose:
    return lambda one: one.distinct_id


WAYS = {
    "beknown": beknown,
    "PostHog's rules": posthog,
    "daily hash": daily_hash,
    "monthly hash": monthly_hash,
    "raw ids": raw_ids,
}


# How well ------------------------------------------------------------------------------------------------------------


def judged(trace: list[Happened], whose: Whose, days: int) -> dict[str, float]:
    """Hold one way of counting against the truth: what browsers sent, since a hash sees nothing else."""
    trace = [one for one in trace if one.place != SERVER]
    units = {(one.visit, one.distinct_id): (one.truth, whose(one)) for one in trace}
    both, truly, said = Counter(units.values()), Counter[int](), Counter[Hashable]()
    for (truth, person), count in both.items():
        truly[truth] += count
        said[person] += count
    right = sum(map(pairs, both.values()))
    found: dict[str, float] = {
        "precision": right / max(sum(map(pairs, said.values())), 1),
        "recall": right / max(sum(map(pairs, truly.values())), 1),
        "unique": len(said) / len(truly) - 1,
    }
    per_day: dict[int, tuple[set[int], set[Hashable]]] = defaultdict(lambda: (set(), set()))
    for one in trace:
        true, seen = per_day[(one.at - START) // DAY]
        true.add(one.truth)
        seen.add(whose(one))
    for name, width in (("dau", 1), ("wau", 7)):
        errors = []
        for day in range(width - 1, days):
            span = [per_day[each] for each in range(day - width + 1, day + 1)]
            true, seen = set().union(*(a for a, _ in span)), set().union(*(b for _, b in span))
            errors += [abs(len(seen) / len(true) - 1)] if true else []
        found[name] = mean(errors)
    return {name: round(value, 4) for name, value in found.items()}


def pairs(count: int) -> int:
    return count * (count - 1) // 2


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--people", type=int, default=3000)
    options.add_argument("--days", type=int, default=35)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--results", type=Path, default=RESULTS)
    chosen = options.parse_args()
    found: dict[str, object] = {"people": chosen.people, "days": chosen.days, "seed": chosen.seed, "worlds": {}}
    lines = [
        "# How well people are told apart",
        "",
        f"`python bench/population.py --people {chosen.people} --days {chosen.days} --seed {chosen.seed}`: simulated",
        "people whose truth is known, one trace counted in five ways. Errors are relative to the truth.",
    ]
    for name, trouble in TROUBLES.items():
        town = Town(replace(World(), **trouble), chosen.people, chosen.days, chosen.seed)
        rows = {way: judged(town.trace, count(town.trace), chosen.days) for way, count in WAYS.items()}
        found["worlds"][name] = {"world": asdict(town.world), "events": len(town.trace), "ways": rows}  # type: ignore[index]
        lines += ["", f"## {name[0].upper()}{name[1:]} ({len(town.trace):,} events)", ""]
        lines += ["| counted by | precision | recall | unique users | DAU, mean error | WAU, mean error |"]
        lines += ["|---|---:|---:|---:|---:|---:|"]
        lines += [
            f"| {way} | {row['precision']:.1%} | {row['recall']:.1%} | {row['unique']:+.1%} "
            f"| {row['dau']:.1%} | {row['wau']:.1%} |"
            for way, row in rows.items()
        ]
    (chosen.results / "population.json").write_text(json.dumps(found, indent=1) + "\n")
    text = "\n".join(lines) + "\n"
    (chosen.results / "population.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
