"""Random histories, stored by one process or by four that are killed in between, end where the oracle ends."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from beknown_server.errors import NotFound
from beknown_server.identity import Fact, replay
from beknown_server.store import Project, Store, clusters
from hypothesis import given, note, settings
from hypothesis import strategies as st

from . import histories
from .conftest import BOTH_ENGINES, NOW, SHRINKING, uuid_of
from .histories import Hand, deliver, differences, event_of, history, without
from .oracle import Said, properties, refused

HISTORIES = 150  # on each store; ten thousand in bench/soak_identity.py
DELETIONS = 40


@pytest.fixture(scope="module")
def crowd(either_database: str) -> Iterator[tuple[Store, list[Hand]]]:
    with histories.crowd(either_database) as crowd:
        yield crowd


def test_persons_properties_and_log_are_the_oracles(crowd: tuple[Store, list[Hand]]) -> None:
    store, hands = crowd
    kills = Counter[str]()

    @settings(SHRINKING, max_examples=HISTORIES)
    @given(st.randoms(use_true_random=False))
    def one_history(chance: random.Random) -> None:
        said = history(chance)
        note(f"said: {said}")
        name = uuid_of()
        project = store.create_project(name, "bk_" + name, "bks_" + name, NOW)
        processes, killing = chance.choice([1, 1, 4]), chance.choice([0, 0, 30])
        done = deliver(hands[:processes], store, project, said, chance, kills=killing)
        kills.update(done.kills)
        assert differences(store, project, said) == []

    one_history()
    assert kills["stored"] > 0, "of some forty kills none came between the commit and the answer"
    assert kills["lost"] > 0, "of some forty kills none came before the commit"


@settings(SHRINKING, max_examples=DELETIONS)
@given(st.randoms(use_true_random=False))
def test_a_deletion_amid_what_arrives_takes_all_of_the_deleted_and_nothing_else(
    crowd: tuple[Store, list[Hand]], chance: random.Random
) -> None:
    store, hands = crowd
    said = history(chance, 28)
    note(f"said: {said}")
    name = uuid_of()
    project = store.create_project(name, "bk_" + name, "bks_" + name, NOW)
    moment, over = chance.randint(0, 30) / 1000, threading.Event()
    with ThreadPoolExecutor(1) as pool:
        deletion = pool.submit(delete_after, moment, store, project, chance.choice(histories.PEOPLE), over)
        try:
            taken = deliver(hands, store, project, said, chance, kills=0).taken
        finally:
            over.set()
        deleted = deletion.result()
    assert taken >= {one.uuid for one in said if not deleted & {one.x, one.y}}
    seen = [one for one in said if one.uuid in taken]
    left = [one for one in seen if one.y not in deleted]
    assert differences(store, project, without(seen, deleted), kept=left, seen=seen, deleted=deleted) == []


def delete_after(moment: float, store: Store, project: Project, name: str, over: threading.Event) -> set[str]:
    """Delete somebody as soon as they were seen, if they are seen before it is over; give their ids."""
    time.sleep(moment)
    while True:
        is_last = over.is_set()
        try:
            return set(store.corrections.delete(project.id, name, now=NOW + 1000).names)
        except NotFound:
            if is_last:
                return set()


def told(store: Store, arriving: list[Said]) -> list[str]:
    """Store this one by one, and give what the oracle says otherwise."""
    name = uuid_of()
    project = store.create_project(name, "bk_" + name, "bks_" + name, NOW)
    for one in arriving:
        store.append(project.id, [event_of(one)], NOW)
    return differences(store, project, arriving)


def claim(at: int, x: str, y: str) -> Said:
    return Said(NOW + at, uuid_of(NOW + at), "claim", x, y)


def alias(at: int, x: str, y: str) -> Said:
    return Said(NOW + at, uuid_of(NOW + at), "alias", x, y)


# What broke a first version, or would have, shrunk: in each the arrival is not the order in which it happened.


@BOTH_ENGINES
def test_a_late_claim_of_a_fresh_id_does_not_set_the_clusters_clock_back(store: Store) -> None:
    arriving = [
        claim(1, "anon-1", "ada"),
        claim(5, "anon-2", "ada"),
        claim(3, "anon-3", "ada"),
        claim(4, "anon-3", "bob"),
    ]
    assert told(store, arriving) == []


@BOTH_ENGINES
def test_a_late_claim_before_its_user_was_one_is_replayed(store: Store) -> None:
    assert told(store, [claim(5, "anon-1", "ada"), alias(7, "ada", "bob"), claim(2, "anon-2", "bob")]) == []


@BOTH_ENGINES
def test_an_alias_that_was_refused_has_made_nobody_a_user(store: Store) -> None:
    arriving = [claim(1, "anon-1", "ada"), claim(2, "anon-2", "bob"), alias(3, "ada", "bob"), claim(4, "bob", "cy")]
    late = [alias(0, "anon-4", "cy"), claim(5, "anon-5", "cy"), claim(3, "anon-6", "cy")]
    assert told(store, arriving + late) == []


@BOTH_ENGINES
def test_a_claim_said_again_late_is_already_linked(store: Store) -> None:
    arriving = [
        claim(1, "anon-1", "ada"),
        claim(9, "anon-2", "ada"),
        claim(4, "anon-1", "ada"),
        claim(0, "anon-1", "bob"),
    ]
    assert told(store, arriving) == []


@BOTH_ENGINES
def test_a_late_fact_replays_what_it_is_connected_to_and_nothing_else(
    store: Store, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    replayed: list[set[str]] = []

    def spy(facts: Iterable[Fact]) -> Any:
        facts = list(facts)
        replayed.append({str(UUID(bytes=fact.uuid)) for fact in facts})
        return replay(facts)

    monkeypatch.setattr(clusters, "replay", spy)
    ada = [claim(at, f"ada-{at}", "ada") for at in (0, 2, 4, 6)]
    bob = [claim(at, f"bob-{at}", "bob") for at in (1, 3, 5, 7)]
    for one in sorted(ada + bob):
        store.append(project.id, [event_of(one)], NOW)
    assert replayed == []  # in order: each is decided from where its two ids stand

    late = alias(-1, "old", "ada")
    store.append(project.id, [event_of(late)], NOW)
    assert replayed == [{one.uuid for one in [*ada, late]}]

    store.append(project.id, [event_of(claim(9, "ada-9", "ada")), event_of(claim(10, "bob-9", "bob"))], NOW)
    assert len(replayed) == 1


def test_the_oracle_of_properties_says_what_a_reader_would() -> None:
    def one(at: int, **more: tuple) -> Said:
        return Said(at, str(at), "", "ada", "ada", **more)

    ada = frozenset({"ada"})
    assert properties([one(2, set=(("k", 2),)), one(1, set=(("k", 1),))], ada) == {"k": 2}
    assert properties([one(2, once=(("k", 2),)), one(1, once=(("k", 1),))], ada) == {"k": 1}
    assert properties([one(1, once=(("k", 1),)), one(2, set=(("k", 2),))], ada) == {"k": 2}
    assert properties([one(1, set=(("k", 1),)), one(2, unset=("k",)), one(3, once=(("k", 3),))], ada) == {"k": 3}
    assert properties([one(1, once=(("k", 1),)), one(2, unset=("k",)), one(3, once=(("k", 3),))], ada) == {}
    assert properties([one(2, set=(("$initial_k", 2),)), one(1, once=(("$initial_k", 1),))], ada) == {"$initial_k": 1}
    same = [one(1, set=(("k", 1),), micros=400), one(1, set=(("k", 2),), micros=399)]
    assert properties(same, ada) == {"k": 1}


def test_the_oracle_refuses_for_good_what_a_reader_would() -> None:
    def rule(x: str, y: str, **more: Any) -> str | None:
        return refused(Said(1, "1", more.pop("kind", "claim"), x, y, **more))

    assert {rule(junk, "ada") for junk in [*histories.JUNK, "x" * 201]} == {"junk_id"}
    assert (rule("ada", "ada"), rule("ada", "ada", kind="named")) == ("same_id", None)
    assert (rule("anon-1", "ada", signed=False), rule("anon-1", "ada")) == ("unsigned", None)
    assert rule("ada", "bob", kind="forced_merge", allowed=False) == "not_allowed"
