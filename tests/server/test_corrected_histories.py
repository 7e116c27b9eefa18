"""Random histories with an operator in them, whose events are stored by one process or by four that are killed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

import pytest
from beknown_server.store import Store
from hypothesis import given, note, settings
from hypothesis import strategies as st

from . import histories
from .conftest import NOW, SHRINKING, uuid_of
from .histories import Hand
from .operated import Operated

HISTORIES, STEPS = 45, 20  # on each store; more in bench/soak_identity.py


@pytest.fixture(scope="module")
def crowd(either_database: str) -> Iterator[tuple[Store, list[Hand]]]:
    with histories.crowd(either_database) as crowd:
        yield crowd


def test_whatever_an_operator_does_between_persons_properties_and_log_are_the_oracles(
    crowd: tuple[Store, list[Hand]],
) -> None:
    store, hands = crowd
    kills = Counter[str]()

    @settings(SHRINKING, max_examples=HISTORIES)
    @given(st.randoms(use_true_random=False))
    def one_history(chance: random.Random) -> None:
        name = uuid_of()
        project = store.create_project(name, "bk_" + name, "bks_" + name, NOW)
        four, killing = chance.randint(0, 2) == 2, chance.choice([0, 0, 15])
        operated = Operated(hands if four else hands[:1], store, project, chance, kills=killing)
        note(f"said: {operated.waiting}")
        for _ in range(STEPS):
            wrong = operated.step()
            note(f"done: {operated.done}")
            assert wrong == []
        kills.update(operated.killed)

    one_history()
    assert kills.total() > 0, "of some twenty histories with kills none saw one"
