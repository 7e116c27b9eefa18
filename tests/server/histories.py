"""Random histories of what was said about ids, their delivery by processes that are killed, and the comparison with
the oracle. Shared by the tests and by ``make soak`` (bench/soak_identity.py).

Rules:
- All chance is drawn before anything is delivered: what a history is does not depend on which process is faster, so
  Hypothesis can repeat and shrink it.
- Integers only are drawn, and few: floats do not shrink to something that one can read.
"""

from __future__ import annotations

import itertools
import multiprocessing
import random
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Set
from contextlib import contextmanager
from hashlib import sha256
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from beknown.ids import uuid7
from beknown_server.errors import TooBusy
from beknown_server.identity import refused_for_good
from beknown_server.store import Claim, Event, Group, Project, Store, open_store

from . import oracle
from .oracle import Bag, Said

NOW = 1_795_000_000_000
PERSONS = UUID("5f6d9c4e-7f4b-4c1e-9a53-6265a06e6f77")  # the namespace of persons' ids
PEOPLE = ["anon-1", "anon-2", "anon-3", "anon-4", "ada", "bob", "cy"]
JUNK = ["null", "'NaN'", " "]  # and ids that are too long: those come to the store already cut (see test_junk.py)
IDS = [*PEOPLE, *JUNK]
KINDS = ["claim"] * 6 + ["alias"] * 2 + ["forced_merge", "named", "", "", "group", "flag"]
KEYS = ["plan", "city", "$browser", "utm_source", "$initial_url"]  # two in rows of their own, three in layers
REFUSED = ("junk_id", "same_id", "not_allowed", "unsigned", "already_identified")


def history(chance: random.Random, most: int = 14) -> list[Said]:
    """Give what was said: few ids and few moments, so that everything meets everything."""
    said = [one_said(chance, 0)]
    while len(said) < most and chance.randint(0, 9):  # asked each time: so each of them can be shrunk away
        said.append(one_said(chance, len(said)))
    return said


def one_said(chance: random.Random, number: int) -> Said:
    def bag(keys: list[str]) -> Bag:
        return tuple({chance.choice(keys): chance.randint(0, 9) for _ in range(chance.choice([0, 0, 0, 1, 2]))}.items())

    def group(set_: Bag) -> tuple[str, str, Bag]:  # described, or with nothing set: belonged to
        return chance.choice(["company", "team"]), chance.choice("ab"), set_

    kind = chance.choice(KINDS)
    x, y = (chance.choice(PEOPLE * 3 + JUNK) for _ in range(2))
    is_about_two = kind in ("claim", "alias", "forced_merge")
    at = NOW + chance.randint(0, 5)
    return Said(
        at,
        uuid7(at, bytes([chance.randint(0, 255), *number.to_bytes(9, "big")])),  # in another order than it was said in
        kind if is_about_two or kind == "named" else "",
        x if is_about_two else y,
        y,
        bag(KEYS),
        bag(KEYS),
        tuple(key for key, _ in bag(KEYS)),
        signed=chance.randint(0, 15) < 15,
        allowed=chance.randint(0, 3) < 3,
        personal=kind not in ("group", "flag"),
        micros=chance.choice([None, None, 0, 400, 999]),
        group=group(bag(KEYS[:3])) if kind == "group" else group(()) if not chance.randint(0, 7) else None,
    )


def event_of(one: Said) -> Event:
    """Give the event that says it."""
    final = refused_for_good(one.kind, one.x, one.y, allowed=one.allowed, signed=one.signed) if one.kind else None
    told: dict[str, Any] = {"set_": dict(one.set), "set_once": dict(one.once), "unset": one.unset}
    told |= {"claim": Claim(one.kind, one.x, one.y, final)} if one.kind else {}
    told |= {"groups": (Group(one.group[0], one.group[1], dict(one.group[2])),)} if one.group else {}
    return Event(one.uuid, "x", one.y, one.at, {}, personal=one.personal, micros=one.micros, **told)


def differences(
    store: Store,
    project: Project,
    said: list[Said],
    *,
    kept: Iterable[Said] | None = None,
    seen: Iterable[Said] | None = None,
    deleted: Set[str] = frozenset(),
) -> list[str]:
    """Give in what the store does not say what the oracle says of ``said``: persons, log, events, groups.

    Where they are not what was said: ``kept`` are the events that are there, ``seen`` all that ever came; nobody is
    left of the ``deleted``.
    """
    kept, seen = (list(dict.fromkeys(said if one is None else one)) for one in (kept, seen))
    persons, rules = oracle.told(said)
    for name in {name for one in seen for name in (one.x, one.y)} - persons.keys() - deleted:
        persons[name] = (frozenset({name}), name, False)
    somebody = oracle.somebody(seen)
    wrong = [f"{name} is deleted" for name in sorted(deleted) if store.person(project.id, name) is not None]
    for name, (ids, survivor, identified) in persons.items():
        have, should = store.person(project.id, name), None
        if name in somebody:
            times = [one.at for one in seen if {one.x, one.y} & ids]
            count = sum(one.y in ids for one in kept)
            should = (ids, str(uuid5(PERSONS, f"{project.id}:{survivor}")), identified)
            should = (*should, oracle.properties(said, ids), min(times), max(times), count)
        found = have and (frozenset(have.distinct_ids), have.person_id, have.is_identified, have.properties)
        found = found and (*found, have.first_seen, have.last_seen, have.event_count)
        wrong += [f"{name}: {found} should be {should}"] if found != should else []
        if name in somebody and name == min(ids & somebody):
            wrong += _otherwise_explained(store, project, name, [one for one in said if {one.x, one.y} & ids], rules)
    events = sorted(row.uuid for row in store.recent(project.id, limit=1000))
    expected = sorted(one.uuid for one in kept)
    wrong += [f"events: {events} should be {expected}"] if events != expected else []
    known = store.groups.known(project.id)
    groups = {(one.type, one.key): (one.first_seen, one.last_seen, one.properties) for one in known}
    wrong += [f"groups: {groups} should be {oracle.groups(seen)}"] if groups != oracle.groups(seen) else []
    return wrong


def _otherwise_explained(
    store: Store, project: Project, name: str, about: list[Said], rules: dict[str, str]
) -> list[str]:
    """Give in what the log about somebody differs from what was said about them, in the order it happened."""
    why = store.explain(project.id, name)
    log = [(one.uuid, one.x, one.y, rules[one.uuid], one.at) for one in sorted(set(about)) if one.kind]
    wrong = []
    for what, is_refused in (("links", False), ("refused", True)):
        have = [(one.linked_by, one.distinct_id, one.to, one.rule, one.at) for one in getattr(why, what, ())]
        should = [one for one in log if (one[3] in REFUSED) == is_refused]
        wrong += [f"{what} of {name}: {have} should be {should}"] if have != should else []
    return wrong


def named(claim: Said) -> Said:
    """Give what stays of a claim that goes: that it named a user."""
    uuid = str(UUID(bytes=sha256(UUID(claim.uuid).bytes + b"named").digest()[:16]))
    return Said(claim.at, uuid, "named", claim.y, claim.y)


def without(said: Iterable[Said], names: Set[str]) -> list[Said]:
    """Give what is left when these ids are deleted: other people's events, and whom their claims named."""
    left: list[Said] = []
    for one in said:
        if one.y not in names:
            about = one.x in names
            left += [one._replace(kind="", x=one.y) if about else one]
            left += [named(one)] if about and one.kind == "claim" and not oracle.refused(one) else []
    return left


class Parcel(NamedTuple):
    """Events that are stored together. ``kill``: the process that first has them is killed, then.

    That is so many tenths of what a parcel usually takes, or when it has ANSWERED, which nobody hears.
    """

    events: list[Event]
    kill: int | None = None


ANSWERED = 15
KILLS = [0, 0, 0, 2, 3, 4, 5, 6, 8, ANSWERED, ANSWERED]  # so that both outcomes are frequent on either store


def parcels(chance: random.Random, said: list[Said], kills: int) -> deque[Parcel]:
    """Give them shuffled, some of them twice, in parcels of any size; of a hundred, ``kills`` kill whoever has them."""
    events = [event_of(one) for one in said]
    events += [event for event in events if chance.randint(0, 2) == 2]
    events.sort(key=lambda event: chance.randint(0, 99))  # one number each, so that one event less is one number less
    found: deque[Parcel] = deque()
    while events:
        size = chance.randint(1, 5)
        kill = chance.choice(KILLS) if kills and chance.randint(1, 100) > 100 - kills else None
        found.append(Parcel(events[:size], kill))
        events = events[size:]
    return found


class Hand:
    """A process of its own that stores what it is given. ``kill`` ends it as a power cut would."""

    context = multiprocessing.get_context("forkserver")
    received = itertools.count(NOW)  # another time for each parcel: a row tells which of them brought it

    def __init__(self, url: str) -> None:
        self.url = url
        self.todo: deque[Parcel] = deque()
        self.busy = False
        self.usual = 0.005  # seconds that a parcel takes
        self.begin()

    def begin(self) -> None:
        self.line, other = self.context.Pipe()
        self.process = self.context.Process(target=serve, args=(self.url, other), daemon=True)
        self.process.start()
        other.close()
        self.busy = False

    def give(self, project_id: int) -> int:
        """Have it store the next parcel; give the time at which that says that it was received."""
        received = next(self.received)
        self.given = time.monotonic()
        self.line.send((project_id, self.todo[0].events, received))
        self.busy = True
        return received

    def heard(self) -> set[str]:
        """Take the answer: the uuids that are stored, now or since before. Raises EOFError if it ended by itself."""
        stored: set[str] = self.line.recv()
        self.usual += (time.monotonic() - self.given - self.usual) / 8
        self.busy = False
        self.todo.popleft()
        return stored

    def kill(self, when: int) -> None:
        """End it then, and begin again with the same parcel."""
        if when == ANSWERED:
            self.line.poll(30)
        else:
            time.sleep(when * self.usual / 10)
        self.end()
        self.line.close()
        self.begin()

    def end(self) -> None:
        self.process.kill()
        self.process.join()


def serve(url: str, line: Connection) -> None:
    """Store what comes along the line, until it is cut."""
    store = open_store(url)
    while True:
        try:
            project_id, events, received = line.recv()
        except EOFError:
            return
        while True:
            try:
                done = store.append(project_id, events, received)
                break
            except TooBusy:
                continue
        line.send({one.uuid for one in events} - done.forgotten)


@contextmanager
def crowd(address: str) -> Iterator[tuple[Store, list[Hand]]]:
    """Give the store at an address, made ready, and four processes that store into it."""
    store = open_store(address)
    store.migrate()
    Hand.context.set_forkserver_preload([__name__])
    hands = [Hand(address) for _ in range(4)]
    yield store, hands
    for hand in hands:
        hand.end()
    store.close()


class Delivery(NamedTuple):
    """How it went: the uuids that were taken (not forgotten), and how many kills left their parcel stored, or lost."""

    taken: set[str]
    kills: Counter[str]


def deliver(
    hands: list[Hand], store: Store, project: Project, said: list[Said], chance: random.Random, *, kills: int
) -> Delivery:
    """Have the processes store it all, each its share and some of the others'. ``kills``: of a hundred parcels."""
    done = Delivery(set(), Counter())
    for hand in hands:
        share = [one for one in said if len(hands) == 1 or chance.randint(0, 1)]
        hand.todo = parcels(chance, share, kills)
    given = {event.uuid for hand in hands for parcel in hand.todo for event in parcel.events}
    hands[0].todo += [Parcel([event_of(one)]) for one in said if one.uuid not in given]  # what chance gave to nobody
    while any(hand.todo for hand in hands):
        for hand in hands:
            if hand.todo and not hand.busy:
                received = hand.give(project.id)
                if (when := hand.todo[0].kill) is not None:
                    hand.kill(when)
                    done.kills[_outcome(store, project, hand.todo[0], received)] += 1
                    hand.give(project.id)
        ready = wait([hand.line for hand in hands if hand.busy])
        for hand in hands:
            if hand.line in ready:
                done.taken.update(hand.heard())
    return done


def _outcome(store: Store, project: Project, parcel: Parcel, received: int) -> str:
    """Tell what became of a parcel whose process was killed: stored, lost, or there since before."""
    rows = store.recent(project.id, limit=1000)
    if any(row.received == received for row in rows):
        return "stored"
    return "known" if {row.uuid for row in rows}.issuperset(event.uuid for event in parcel.events) else "lost"
