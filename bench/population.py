"""How well people are told apart: simulated people, whose truth is known, counted in four ways from one trace.

    python bench/population.py [--people 3000] [--days 35] [--seed 1] [--results FOLDER]

The trace: people with several devices, some of them shared, who sign up or never do, log in early, late or not at
all, forget to log out; browsers that clear cookies, block storage, open private windows, forget after seven days
(Safari); phones that are offline for hours, backends that speak for a user at once, and backends that identify a user
with whatever anonymous id the browser's cookie holds. What a browser does with its id is decided by the client's own
``beknown.identity``.

The same events are counted by
    beknown       ``beknown_server.identity.replay`` of what was said, in the order it happened
    PostHog       its documented rules (reference: the decision table of merges), in the order of arrival
    daily hash    of address and browser, as Plausible, Umami and Shynet do
    raw ids       every distinct id is somebody

Units are visits of browsers (a visit under two ids is two). Of all pairs of units: precision is the share of "same
person" that is true, recall the share of true "same person" that was found. Unique users, and the mean absolute error
of DAU and WAU (trailing seven days), are relative to the truth.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import mean

from beknown.identity import Identity, identify, reset
from beknown.ids import uuid7
from beknown_server.identity import CLAIM, NAMED, Fact, replay

RESULTS = Path(__file__).parent / "results"
START = 1_793_491_200_000  # 2026-11-01
SERVER = ("server", "server")  # the place of events that a backend sent
DAY, HOUR, MINUTE = 86_400_000, 3_600_000, 60_000


@dataclass(frozen=True)
class World:
    """How often each thing happens; shares of persons, devices, visits or log-ins, as named."""

    users: float = 0.45  # of the persons sign up at some time
    stays_anonymous: float = 0.25  # of a user's visits to a browser that does not know them: no log-in
    late: float = 0.4  # of the log-ins come after some pages
    shared: float = 0.06  # of the persons use a household's device, too
    forgets_reset: float = 0.4  # of those who leave a shared device stay logged in
    stale: float = 0.3  # of the log-ins over another user: the backend claims the device id in the cookie
    cleared: float = 0.02  # of the visits begin with cleared cookies
    private: float = 0.03  # of the visits are in a private window
    blocked: float = 0.01  # of the devices keep nothing: a new id on each page
    safari: float = 0.35  # of the devices forget after seven days
    offline: float = 0.06  # of the visits are delivered hours later
    backend: float = 0.3  # of a user's visits have a server event, too


TROUBLES: dict[str, dict[str, float]] = {
    "an ordinary site": {},
    "no trouble at all": dict.fromkeys(
        ["shared", "forgets_reset", "stale", "cleared", "private", "blocked", "safari", "offline"], 0.0
    )
    | {"stays_anonymous": 0.0, "users": 1.0},
    "shared devices": {"shared": 0.4, "forgets_reset": 0.7, "stale": 0.6},
    "late and forgotten log-ins": {"late": 0.9, "stays_anonymous": 0.6},
    "cleared, private, blocked": {"cleared": 0.15, "private": 0.2, "blocked": 0.1},
    "mostly Safari": {"safari": 0.95},
    "mostly offline, devices shared": {
        "offline": 0.5,
        "backend": 0.7,
        "shared": 0.4,
        "forgets_reset": 0.7,
        "stale": 0.6,
    },
}


@dataclass
class Device:
    """A browser: where it is, what it keeps."""

    address: str
    browser: str
    forgets: bool
    blocked: bool
    shared: bool
    identity: Identity | None = None
    used: int = 0


@dataclass
class Person:
    """Somebody: what they use, how often they come, and when they become a user."""

    number: int
    rate: float
    signs_up: int | None
    devices: list[Device] = field(default_factory=list)

    @property
    def user(self) -> str:
        return f"user-{self.number}"


@dataclass(frozen=True)
class Happened:
    """One event: when, when it arrived, in which visit, whose it is, under which id, and what it says of ids."""

    at: int
    arrives: int
    visit: int
    truth: int
    distinct_id: str
    place: tuple[str, str]
    personal: bool
    claims: str | None = None
    named: bool = False


class Town:
    """Everybody, and the trace that they leave."""

    def __init__(self, world: World, people: int, days: int, seed: int) -> None:
        self.world, self.days, self.dice = world, days, random.Random(seed)
        self.trace: list[Happened] = []
        self.visits = 0
        self.people = [self._person(number) for number in range(people)]
        households = [one for one in self.people if self.dice.random() < world.shared]
        for first, second in zip(households[::2], households[1::2], strict=False):
            tablet = self._device(first.devices[0].address, shared=True)
            first.devices.append(tablet)
            second.devices.append(tablet)
        moments = sorted(
            (START + day * DAY + self.dice.randrange(7 * HOUR, 23 * HOUR), one.number)
            for one in self.people
            for day in range(days)
            for _ in range(self.dice.random() < one.rate)
        )
        for at, number in moments:
            self._visit(self.people[number], at)

    def _person(self, number: int) -> Person:
        signs_up = self.dice.randrange(self.days // 2) if self.dice.random() < self.world.users else None
        person = Person(number, self.dice.choice([0.06, 0.15, 0.35, 0.7]), signs_up)
        home = f"home-{number // 2}"  # two to an address; an office and a carrier have hundreds
        for place in self.dice.choice([[home], [home, "mobile"], [home, "mobile", "office"], [home, "office"]]):
            address = place if place == home else f"{place}-{self.dice.randrange(15)}"
            person.devices.append(self._device(address))
        return person

    def _device(self, address: str, *, shared: bool = False) -> Device:
        browser = f"browser-{min(int(self.dice.expovariate(0.15)), 40)}"  # a few are everybody's
        forgets, blocked = self.dice.random() < self.world.safari, self.dice.random() < self.world.blocked
        return Device(address, browser, forgets, blocked, shared)

    def _visit(self, person: Person, at: int) -> None:
        world, dice = self.world, self.dice
        device = dice.choice(person.devices)
        kept = device.identity
        private = dice.random() < world.private
        lost = dice.random() < world.cleared or (device.forgets and at - device.used > 7 * DAY)
        identity = kept if kept and not (private or lost or device.blocked) else self._fresh(at)
        self.visits += 1
        delay = dice.randrange(HOUR, 48 * HOUR) if dice.random() < world.offline else 0
        is_user = person.signs_up is not None and at >= START + person.signs_up * DAY
        logs_in = (
            is_user
            and identity.distinct_id != person.user
            and (identity.identified or dice.random() >= world.stays_anonymous)
        )
        pages = dice.randint(1, 6)
        login_at = dice.randint(1, pages) if dice.random() < world.late else 0
        for page in range(pages + 1):
            now = at + page * MINUTE
            if device.blocked and page:
                identity = self._fresh(now)
            if logs_in and page == login_at:
                identity = self._log_in(person, device, identity, now, delay)
            if page < pages:
                self._say(person, device, identity.distinct_id, now + 1, delay, personal=identity.identified)
        if is_user and dice.random() < world.backend:
            self._say(person, device, person.user, at + pages * MINUTE, 0, personal=True, place=SERVER)
        leaves = dice.random() < (0.9 if device.shared else 0.03)
        if identity.identified and leaves and not (device.shared and dice.random() < world.forgets_reset):
            identity = reset(identity, self._uuid(at))
        if not private:
            device.identity, device.used = identity, at

    def _log_in(self, person: Person, device: Device, identity: Identity, now: int, delay: int) -> Identity:
        after, how, _ = identify(identity, person.user, self._uuid(now))
        if how == "switch" and self.dice.random() < self.world.stale:
            # The log-in is the backend's first, and only then the page's: it is there before the tag says anything.
            claims = identity.device  # as the cookie has it; what the tag makes of it comes after
            self._say(person, device, person.user, now - 500, 0, personal=True, claims=claims, place=SERVER)
        claims = identity.distinct_id if how == "claim" else None
        self._say(person, device, person.user, now, delay, personal=True, claims=claims, named=how == "switch")
        return after

    def _say(
        self,
        person: Person,
        device: Device,
        distinct_id: str,
        at: int,
        delay: int,
        *,
        personal: bool,
        claims: str | None = None,
        named: bool = False,
        place: tuple[str, str] | None = None,
    ) -> None:
        where = place or (device.address, device.browser)
        self.trace.append(
            Happened(at, at + delay, self.visits, person.number, distinct_id, where, personal, claims, named)
        )

    def _fresh(self, at: int) -> Identity:
        anonymous = self._uuid(at)
        return Identity(anonymous, anonymous)

    def _uuid(self, at: int) -> str:
        return uuid7(at, self.dice.randbytes(10))


# Four ways to count ---------------------------------------------------------------------------------------------------

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


def raw_ids(trace: list[Happened]) -> Whose:
    return lambda one: one.distinct_id


WAYS = {"beknown": beknown, "PostHog's rules": posthog, "daily hash": daily_hash, "raw ids": raw_ids}


# How well ------------------------------------------------------------------------------------------------------------


def judged(trace: list[Happened], whose: Whose, days: int) -> dict[str, float]:
    """Hold one way of counting against the truth: what browsers sent, since a daily hash sees nothing else."""
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
        "people whose truth is known, one trace counted in four ways. Errors are relative to the truth.",
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
