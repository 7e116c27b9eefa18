"""A project in the hands of an operator: undo, redo, merge, split, delete and expiry between what arrives.

Rules:
- What arrives is delivered by the processes of a crowd, which may be killed (histories.py); the operator acts when all
  of them rest, for only then is it defined what was there before.
- What is chosen from is in an order that does not depend on who was faster.
"""

from __future__ import annotations

import random
from collections import Counter
from contextlib import suppress

from beknown_server.errors import NotFound, Unusable
from beknown_server.store import Link, Project, Store

from .histories import IDS, NOW, Hand, deliver, differences, history, named, without
from .oracle import Said, refused

LATER = NOW + 1000


class Operated:
    """A project in the hands of an operator, and beside it what counts of what was said to it."""

    def __init__(self, hands: list[Hand], store: Store, project: Project, chance: random.Random, *, kills: int) -> None:
        self.hands, self.store, self.project, self.chance = hands, store, project, chance
        self.kills, self.killed = kills, Counter[str]()
        self.waiting = history(chance, 28)
        self.now = LATER
        self.done: list[str] = []
        self.arrived: list[Said] = []  # all that was sent
        self.seen: list[Said] = []  # what of it was not of the deleted
        self.events: set[str] = set()  # the uuids of those that are stored
        self.counts: dict[str, Said] = {}
        self.undone: dict[int, Said] = {}
        self.deleted: set[str] = set()

    def step(self) -> list[str]:
        """Do something, and give in what the store is not what it should be then."""
        verbs = [self.undo, self.redo, self.merge, self.split]
        verb = self.chance.choice([*verbs * 4, *[self.arrive] * 24, *[self.expire] * 4, self.delete])
        self.now += 1
        self.done.append(verb.__name__)
        verb()
        return self.differences()

    def differences(self) -> list[str]:
        """Give in what the store is not what it should be."""
        kept = [one for one in self.seen if one.uuid in self.events]
        said = list(self.counts.values())
        wrong = differences(self.store, self.project, said, kept=kept, seen=self.seen, deleted=self.deleted)
        why = filter(None, (self.store.explain(self.project.id, name) for name in IDS))
        undone = {link.id: link.linked_by for one in why for link in one.undone}
        expected = {link: one.uuid for link, one in self.undone.items()}
        return wrong + ([f"undone: {undone} should be {expected}"] if undone != expected else [])

    def arrive(self) -> None:
        """Store some events, of which some have come before."""
        coming = [self.waiting.pop() for _ in range(min(len(self.waiting), self.chance.randint(1, 5)))]
        coming += self.chance.sample(self.arrived, min(len(self.arrived), self.chance.randint(0, 3)))
        done = deliver(self.hands, self.store, self.project, coming, self.chance, kills=self.kills)
        self.killed += done.kills
        self.arrived += coming
        for one in coming:
            if not self.deleted & {one.x, one.y}:
                self.seen.append(one)
                self.events.add(one.uuid)
                self.counts.setdefault(one.uuid, one)

    def expire(self) -> None:
        """Take out the oldest events."""
        self.store.upkeep.erase_before(self.project.id, NOW + 2, limit=100)
        self.events -= {one.uuid for one in self.arrived if one.at < NOW + 2}

    def undo(self) -> None:
        """Undo a link."""
        links = [link for link in self.links().values() if not refused(self.counts[link.linked_by])]
        if links:
            link = self.chance.choice(links)
            self.store.corrections.undo(self.project.id, link.id, now=self.now)
            self.take_out(link)

    def redo(self) -> None:
        """Take an undo back."""
        if self.undone:
            link = self.chance.choice(list(self.undone))
            self.store.corrections.redo(self.project.id, link)
            one = self.undone.pop(link)
            self.counts[one.uuid] = one
            by_itself = named(one).uuid
            self.counts.pop(by_itself, None)
            self.undone = {link: one for link, one in self.undone.items() if one.uuid != by_itself}

    def merge(self) -> None:
        """Merge two persons, if these are two."""
        source, into = self.chance.sample(IDS, 2)
        with suppress(Unusable, NotFound):
            link = self.store.corrections.merge(self.project.id, source, into, now=self.now)
            made = self.links()[link]
            self.counts[made.linked_by] = Said(made.at, made.linked_by, "forced_merge", source, into)

    def split(self) -> None:
        """Part some ids of a person from the others, if nothing else holds them together."""
        person = self.store.person(self.project.id, self.chance.choice(IDS))
        if person and len(person.distinct_ids) > 1:
            chosen = self.chance.sample(
                sorted(person.distinct_ids), self.chance.randint(1, len(person.distinct_ids) - 1)
            )
            links = self.links()
            with suppress(Unusable):
                undone = self.store.corrections.split(self.project.id, chosen, now=self.now)
                for link in sorted(undone, key=lambda link: links[link].linked_by):
                    one = self.take_out(links[link])
                    if one.kind == "claim":
                        self.counts[named(one).uuid] = named(one)

    def delete(self) -> None:
        """Delete a person."""
        with suppress(NotFound):
            deleted = self.store.corrections.delete(self.project.id, self.chance.choice(IDS), now=self.now)
            names = set(deleted.names)
            self.deleted |= names
            self.events -= {one.uuid for one in self.arrived if one.y in names}
            self.counts = {one.uuid: one for one in without(self.counts.values(), names)}
            self.undone = {link: one for link, one in self.undone.items() if not names & {one.x, one.y}}

    def links(self) -> dict[int, Link]:
        """Give all links that stand, by their numbers."""
        why = filter(None, (self.store.explain(self.project.id, name) for name in IDS))
        return {link.id: link for one in why for link in (*one.links, *one.refused)}

    def take_out(self, link: Link) -> Said:
        """Count the event of a link, but not what it said."""
        one = self.undone[link.id] = self.counts[link.linked_by]
        self.counts[one.uuid] = one._replace(kind="", x=one.y)
        return one
