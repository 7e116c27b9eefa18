"""Random histories of what was said about ids, their delivery by processes that are killed, and the comparison with
the oracle. Shared by the tests and by ``make soak`` (bench/soak_identity.py)."""

from __future__ import annotations

import multiprocessing
import random
from collections import deque
from collections.abc import Iterable
from multiprocessing.connection import Connection, wait
from typing import Any
from uuid import UUID

from beknown.ids import uuid7
from beknown_server.errors import TooBusy
from beknown_server.identity import refused_for_good
from beknown_server.store import Claim, Event, Project, Store, open_store
from beknown_server.store.arrivals import person_id
from beknown_server.store.clusters import stand_in

from . import oracle
from .oracle import Said

NOW = 1_795_000_000_000
IDS = ["anon-1", "anon-2", "anon-3", "anon-4", "ada", "bob", "cy", "null"]
KINDS = ["claim"] * 6 + ["alias"] * 2 + ["forced_merge", "named", "", ""]
KEYS = ["plan", "city", "$initial_url"]


def history(chance: random.Random) -> list[Said]:
    """Give what was said: few ids and few moments, so that everything meets everything."""
    return [one_said(chance, chance.choice(KINDS)) for _ in range(chance.randint(1, 14))]


def one_said(chance: random.Random, kind: str) -> Said:
    x, y = chance.choice(IDS), chance.choice(IDS)
    x = y if kind in ("", "named") else x

    def bag() -> tuple[tuple[str, Any], ...]:
        return tuple((key, chance.randint(0, 9)) for key in KEYS[:2] if chance.random() < 0.2)

    at = NOW + chance.randint(0, 9)
    once = bag() + ((("$initial_url", chance.randint(0, 9)),) if chance.random() < 0.3 else ())
    unset = tuple(key for key in KEYS[:2] if chance.random() < 0.1)
    refused = refused_for_good(kind, x, y) if kind else None
    set_ = tuple((key, value) for key, value in bag() if key not in unset)
    return Said(at, uuid7(at, chance.randbytes(10)), kind, x, y, set_, once, unset, refused)


def event_of(one: Said) -> Event:
    """Give the event that says it."""
    claim = Claim(one.kind, one.x, one.y, one.refused) if one.kind else None
    told = {"set_": dict(one.set), "set_once": dict(one.once), "unset": one.unset}
    return Event(one.uuid, "x", one.y, one.at, {}, claim=claim, **told)


def batches(chance: random.Random, said: list[Said]) -> deque[list[Event]]:
    """Give them shuffled, some of them twice, in batches of any size."""
    events = [event_of(one) for one in said]
    events += chance.sample(events, len(events) // 3)
    chance.shuffle(events)
    found: deque[list[Event]] = deque()
    while events:
        size = chance.randint(1, 5)
        found.append(events[:size])
        events = events[size:]
    return found


def differences(store: Store, project: Project, said: list[Said]) -> list[str]:
    """Give in what the store does not say what the oracle says: every person, and all of the log."""
    persons, rules = oracle.told(said)
    wrong: list[str] = []
    logged: dict[str, tuple[str, str, str, int]] = {}
    for name, (ids, survivor, identified) in persons.items():
        found = store.person(project.id, name)
        if found is None:
            if any(one.refused is None for one in said if name in (one.x, one.y)) or any(one.y == name for one in said):
                wrong.append(f"{name} is nobody")
            continue
        expected = (ids, str(person_id(project.id, survivor)), identified, oracle.properties(said, ids))
        have = (frozenset(found.distinct_ids), found.person_id, found.is_identified, found.properties)
        wrong += [f"{name}: {have} should be {expected}"] if have != expected else []
        why = store.explain(project.id, name)
        for link in [*why.links, *why.refused] if why else []:
            logged[link.linked_by] = (link.distinct_id, link.to, link.rule, link.at)
    log = {one.uuid: (one.x, one.y, rules[one.uuid], one.at) for one in said if one.kind}
    both = sorted({*logged, *log})
    return wrong + [
        f"{one}: {logged.get(one)} should be {log.get(one)}" for one in both if logged.get(one) != log.get(one)
    ]


def named(claim: Said) -> Said:
    """Give what stays of a claim that goes: that it named a user."""
    uuid = str(UUID(bytes=stand_in(UUID(claim.uuid).bytes)))
    return Said(claim.at, uuid, "named", claim.y, claim.y)


def without(said: Iterable[Said], names: set[str]) -> list[Said]:
    """Give what is left when these ids are deleted: other people's events, and whom their claims named."""
    left: list[Said] = []
    for one in said:
        if one.y not in names:
            about = one.x in names
            left += [one._replace(kind="", x=one.y, refused=None) if about else one]
            left += [named(one)] if about and one.kind == "claim" and one.refused is None else []
    return left


class Hand:
    """A process of its own that stores what it is given. ``kill`` ends it as a power cut would."""

    context = multiprocessing.get_context("forkserver")

    def __init__(self, url: str) -> None:
        self.url = url
        self.todo: deque[list[Event]] = deque()
        self.busy = False
        self.begin()

    def begin(self) -> None:
        self.line, other = self.context.Pipe()
        self.process = self.context.Process(target=serve, args=(self.url, other), daemon=True)
        self.process.start()
        other.close()
        self.busy = False

    def give(self, project_id: int) -> None:
        try:
            self.line.send((project_id, self.todo[0]))
        except BrokenPipeError:  # it had answered before it was killed
            self.process.join()
            self.begin()
            self.line.send((project_id, self.todo[0]))
        self.busy = True

    def heard(self) -> None:
        """Take the answer; whoever was killed begins again with what was not acknowledged."""
        try:
            self.line.recv()
        except (EOFError, ConnectionResetError):
            self.process.join()
            self.begin()
            return
        self.busy = False
        self.todo.popleft()

    def kill(self) -> None:
        self.process.kill()

    def end(self) -> None:
        self.process.kill()
        self.process.join()


def serve(url: str, line: Connection) -> None:
    """Store what comes along the line, until it is cut."""
    store = open_store(url)
    while True:
        try:
            project_id, events = line.recv()
        except EOFError:
            return
        while True:
            try:
                store.append(project_id, events, NOW)
                break
            except TooBusy:
                continue
        line.send(len(events))


def deliver(hands: list[Hand], project_id: int, said: list[Said], chance: random.Random, *, kills: float) -> int:
    """Have the processes store it all, each its share and some of the others'; give how many were killed."""
    killed = 0
    for hand in hands:
        share = [one for one in said if len(hands) == 1 or chance.random() < 0.5]
        hand.todo = batches(chance, share)
    for one in said:  # what chance gave to nobody
        if not any(one.uuid == event.uuid for hand in hands for batch in hand.todo for event in batch):
            hands[0].todo.append([event_of(one)])
    while any(hand.todo for hand in hands):
        for hand in hands:
            if hand.todo and not hand.busy:
                hand.give(project_id)
                if chance.random() < kills:
                    hand.kill()
                    killed += 1
        ready = wait([hand.line for hand in hands if hand.busy])
        for hand in hands:
            if hand.line in ready:
                hand.heard()
    return killed
