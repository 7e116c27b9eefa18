"""Random histories with an operator in them: undo, redo, merge, split, delete and expiry between what arrives."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress

import pytest
from beknown_server.errors import NotFound, Unusable
from beknown_server.identity import REFUSED_FOR_GOOD
from beknown_server.store import Link, Project, Store, open_store
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from .conftest import NOW, uuid_of
from .histories import IDS, differences, event_of, history, named, without
from .oracle import Said

LATER = NOW + 1000
HISTORIES, STEPS = 60, 20


@pytest.fixture(scope="module")
def store(either_database: str) -> Iterator[Store]:
    store = open_store(either_database)
    store.migrate()
    yield store
    store.close()


class Operated:
    """A project in the hands of an operator, and beside it what counts of what was said to it."""

    def __init__(self, store: Store, project: Project, chance: random.Random) -> None:
        self.store, self.project, self.chance = store, project, chance
        self.waiting = [*history(chance), *history(chance)]
        self.arrived: list[Said] = []
        self.events: set[str] = set()  # the uuids of those that are stored
        self.counts: dict[str, Said] = {}
        self.undone: dict[int, Said] = {}
        self.deleted: set[str] = set()

    def differences(self) -> list[str]:
        """Give in what the store is not what it should be."""
        wrong = differences(self.store, self.project, list(self.counts.values()))
        stored = {row.uuid for row in self.store.recent(self.project.id, limit=1000)}
        wrong += [f"events: {stored} should be {self.events}"] if stored != self.events else []
        why = filter(None, (self.store.explain(self.project.id, name) for name in IDS))
        undone = {link.id: link.linked_by for one in why for link in one.undone}
        expected = {link: one.uuid for link, one in self.undone.items()}
        return wrong + ([f"undone: {undone} should be {expected}"] if undone != expected else [])

    def arrive(self) -> None:
        """Store some events, of which some have come before."""
        coming = [self.waiting.pop() for _ in range(min(len(self.waiting), self.chance.randint(1, 5)))]
        coming += self.chance.sample(self.arrived, min(len(self.arrived), self.chance.randint(0, 3)))
        self.store.append(self.project.id, [event_of(one) for one in coming], LATER)
        self.arrived += coming
        for one in coming:
            if not self.deleted & {one.x, one.y}:
                self.events.add(one.uuid)
                self.counts.setdefault(one.uuid, one)

    def expire(self) -> None:
        """Take out the oldest events."""
        self.store.upkeep.erase_before(self.project.id, NOW + 4, limit=100)
        self.events -= {one.uuid for one in self.arrived if one.at < NOW + 4}

    def undo(self) -> None:
        """Undo a link."""
        links = [one for one in self.links().values() if one.rule not in REFUSED_FOR_GOOD]
        if links:
            link = self.chance.choice(links)
            self.store.corrections.undo(self.project.id, link.id, now=LATER)
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
            link = self.store.corrections.merge(self.project.id, source, into, now=LATER + len(self.arrived))
            made = self.links()[link]
            self.counts[made.linked_by] = Said(made.at, made.linked_by, "forced_merge", source, into)

    def split(self) -> None:
        """Part some ids of a person from the others, if nothing else holds them together."""
        person = self.store.person(self.project.id, self.chance.choice(IDS))
        if person and len(person.distinct_ids) > 1:
            chosen = self.chance.sample(person.distinct_ids, self.chance.randint(1, len(person.distinct_ids) - 1))
            links = self.links()
            with suppress(Unusable):
                for link in self.store.corrections.split(self.project.id, chosen, now=LATER):
                    one = self.take_out(links[link])
                    if one.kind == "claim":
                        self.counts[named(one).uuid] = named(one)

    def delete(self) -> None:
        """Delete a person."""
        with suppress(NotFound):
            deleted = self.store.corrections.delete(self.project.id, self.chance.choice(IDS), now=LATER)
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


@settings(
    max_examples=HISTORIES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.generate, Phase.reuse, Phase.explicit],
)
@given(st.integers(0, 2**32))
def test_whatever_an_operator_does_between_persons_properties_and_log_are_the_oracles(store: Store, seed: int) -> None:
    chance = random.Random(seed)
    name = uuid_of()
    project = store.create_project(name, "bk_" + name, "bks_" + name, NOW)
    operated = Operated(store, project, chance)
    done = []
    for _ in range(STEPS):
        verbs = [operated.undo, operated.redo, operated.merge, operated.split]
        step = chance.choice(
            [*verbs, *[operated.arrive] * 6, operated.expire, *[operated.delete] * (chance.random() < 0.3)]
        )
        step()
        done.append(step.__name__)
        assert operated.differences() == [], done
