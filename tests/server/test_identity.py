"""Identity: the rules one by one, then every order of arrival against the oracle, pure and in the store."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations

import pytest
from beknown_server.identity import Fact, folded, refused_for_good, replay, writes
from beknown_server.store import Claim, Event, Project, Store, open_store
from beknown_server.store.arrivals import person_id
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import BOTH_ENGINES, NOW, event, uuid_of
from .oracle import Said, persons

IDS = ["anon-1", "anon-2", "anon-3", "ada", "bob", "cy"]


def said_by(*facts: str) -> list[Said]:
    """Read "claim anon-1 ada", ... as things said one after the other."""
    return [Said(NOW + order, uuid_of(NOW + order), *fact.split()) for order, fact in enumerate(facts)]


def decided(*facts: str) -> tuple[list[str], dict[str, list[str]]]:
    """Give the rule that decided each fact, and the ids of each id's person."""
    said = said_by(*facts)
    clusters, rules = replay(Fact(one.kind, one.x, one.y, one.at, one.uuid) for one in said)
    return [rules[one.uuid] for one in said], {name: sorted(found.members) for name, found in clusters.items()}


def test_a_claim_joins_the_visitor_to_the_user() -> None:
    rules, people = decided("claim anon-1 ada")
    assert rules == ["claim"]
    assert people["ada"] == ["ada", "anon-1"]


def test_two_devices_of_a_user_are_one_person() -> None:
    rules, people = decided("claim anon-1 ada", "claim anon-2 ada")
    assert rules == ["claim", "claim"]
    assert people["anon-2"] == ["ada", "anon-1", "anon-2"]


def test_a_second_user_on_a_claimed_id_is_refused_even_if_never_seen_before() -> None:
    rules, people = decided("claim anon-1 ada", "claim anon-1 bob")
    assert rules == ["claim", "already_identified"]
    assert people == {"anon-1": ["ada", "anon-1"], "ada": ["ada", "anon-1"], "bob": ["bob"]}


def test_a_user_whose_claim_is_refused_is_a_user_all_the_same() -> None:
    said = said_by("claim anon-1 ada", "claim anon-1 bob", "alias bob ada")
    clusters, rules = replay(Fact(one.kind, one.x, one.y, one.at, one.uuid) for one in said)
    assert clusters["bob"].standing == ("bob", True)
    assert rules[said[2].uuid] == "already_identified", "else the alias would join two users"


def test_a_user_who_took_over_a_device_is_named_and_joined_to_nobody() -> None:
    said = said_by("claim anon-1 ada", "named bob bob", "alias anon-2 bob")
    clusters, rules = replay(Fact(one.kind, one.x, one.y, one.at, one.uuid) for one in said)
    assert [rules[one.uuid] for one in said] == ["claim", "named", "alias"]
    assert clusters["anon-2"].standing == ("bob", True)
    assert clusters["anon-1"].standing == ("ada", True)


def test_a_repeated_claim_is_already_linked() -> None:
    assert decided("claim anon-1 ada", "claim anon-1 ada")[0] == ["claim", "already_linked"]


@pytest.mark.parametrize("order", ["alias anon-2 ada", "alias ada anon-2"])
def test_an_alias_keeps_the_identified_side_whichever_way_round(order: str) -> None:
    said = said_by("claim anon-1 ada", order)
    clusters, rules = replay(Fact(one.kind, one.x, one.y, one.at, one.uuid) for one in said)
    assert rules[said[1].uuid] == "alias"
    assert clusters["anon-2"].standing == ("ada", True)


def test_an_alias_never_joins_two_users() -> None:
    assert decided("claim anon-1 ada", "claim anon-2 bob", "alias ada bob")[0][-1] == "already_identified"


def test_a_forced_merge_joins_two_users_and_the_target_survives() -> None:
    said = said_by("claim anon-1 ada", "claim anon-2 bob", "forced_merge ada bob")
    clusters, _ = replay(Fact(one.kind, one.x, one.y, one.at, one.uuid) for one in said)
    assert clusters["anon-1"].standing == ("bob", True)


def test_an_alias_of_two_unknown_ids_identifies_nobody() -> None:
    said = said_by("alias anon-1 anon-2")
    clusters, _ = replay(Fact(one.kind, one.x, one.y, one.at, one.uuid) for one in said)
    assert clusters["anon-1"].standing == ("anon-2", False)


@pytest.mark.parametrize("junk", ["null", "undefined", "'none'", "[object Object]", "0", "  ", "NaN", "x" * 201])
def test_junk_on_either_side_refuses_a_fact_for_good(junk: str) -> None:
    assert refused_for_good("claim", junk, "ada") == "junk_id"
    assert refused_for_good("claim", "anon-1", junk) == "junk_id"


def test_what_a_public_key_may_not_do_is_refused_for_good() -> None:
    assert refused_for_good("forced_merge", "ada", "bob", allowed=False) == "not_allowed"
    assert refused_for_good("forced_merge", "ada", "bob", allowed=True) is None
    assert refused_for_good("claim", "anon-1", "ada", signed=False) == "unsigned"
    assert refused_for_good("claim", "ada", "ada") == "same_id"


SAID = st.lists(
    st.tuples(
        st.integers(0, 20),
        st.sampled_from(["claim", "claim", "claim", "alias", "forced_merge", "named"]),
        st.sampled_from(IDS),
        st.sampled_from(IDS),
    )
    .map(lambda one: (*one[:3], one[2]) if one[1] == "named" else one)
    .filter(lambda one: one[2] != one[3] or one[1] == "named"),
    max_size=14,
)


@given(SAID, st.randoms())
def test_replay_says_what_the_oracle_says(facts: list[tuple[int, str, str, str]], chance: random.Random) -> None:
    said = [Said(NOW + at, uuid_of(), kind, x, y) for at, kind, x, y in facts]
    chance.shuffle(said)
    clusters, _ = replay(Fact(one.kind, one.x, one.y, one.at, one.uuid) for one in said)
    found = {name: (frozenset(one.members), *one.standing) for name, one in clusters.items()}
    assert found == persons(said)


@pytest.fixture(scope="module")
def shared_store(either_database: str) -> Iterator[Store]:
    store = open_store(either_database)
    store.migrate()
    yield store
    store.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SAID, st.randoms(), st.data())
def test_the_store_says_what_the_oracle_says_in_every_order_with_repeats(
    shared_store: Store, facts: list[tuple[int, str, str, str]], chance: random.Random, data: st.DataObject
) -> None:
    name = uuid_of()
    project = shared_store.create_project(name, "bk_" + name, "bks_" + name, NOW)
    said = [Said(NOW + at, uuid_of(), kind, x, y) for at, kind, x, y in facts]
    events = [
        Event(one.uuid, "$identify", one.y, one.at, {}, claim=Claim(one.kind, one.x, one.y), set_={"k": one.uuid})
        for one in said
    ]
    arriving = events + chance.sample(events, len(events) // 3)
    chance.shuffle(arriving)
    while arriving:
        size = data.draw(st.integers(1, 5))
        shared_store.append(project.id, arriving[:size], NOW)
        arriving = arriving[size:]

    for member, (ids, survivor, identified) in persons(said).items():
        found = shared_store.person(project.id, member)
        assert found is not None
        assert (frozenset(found.distinct_ids), found.is_identified) == (ids, identified)
        assert found.person_id == str(person_id(project.id, survivor))
        assert found.event_count == len([one for one in said if one.y in ids])
        latest = max((one for one in said if one.y in ids), default=None)
        assert found.properties == ({} if latest is None else {"k": latest.uuid})


def test_properties_are_the_same_in_every_order() -> None:
    said = [
        *writes({"plan": "free", "$initial_url": "/b"}, {"first": 2}, [], at=2, uuid="b"),
        *writes({"plan": "pro"}, {"first": 1, "$initial_url": "/a"}, [], at=1, uuid="a"),
        *writes({"gone": 1}, {}, [], at=1, uuid="a"),
        *writes({}, {}, ["gone"], at=3, uuid="c"),
    ]
    for seed in range(20):
        random.Random(seed).shuffle(said)
        assert folded(said) == {"plan": "free", "$initial_url": "/a", "first": 1}


def test_set_goes_before_set_once_and_unset_ends_what_was_before_it() -> None:
    said = [*writes({"plan": "pro"}, {}, [], at=5, uuid="a"), *writes({}, {"plan": "free"}, [], at=1, uuid="b")]
    assert folded(said) == {"plan": "pro"}
    assert folded([*said, *writes({}, {}, ["plan"], at=9, uuid="c")]) == {}
    later = writes({}, {"plan": "new"}, [], at=10, uuid="d")
    assert folded([*writes({}, {}, ["plan"], at=9, uuid="c"), *later]) == {"plan": "new"}


@BOTH_ENGINES
@pytest.mark.parametrize("name", ["source", "$initial_utm_source"])  # a row of its own, and in layers
def test_a_null_that_was_set_once_is_a_value_and_no_later_set_once_fills_it_in_any_order(
    store: Store, project: Project, name: str
) -> None:
    for number, order in enumerate(permutations(range(3))):
        anon, user = f"anon-{number}", f"user-{number}"
        said = [
            event("null", anon, NOW + 1, set_once={name: None}),
            event("late", user, NOW + 2, set_once={name: "ad"}),
            event("claim", user, NOW + 3, claim=Claim("claim", anon, user)),
        ]
        for place in order:
            store.append(project.id, [said[place]], NOW + 9)
        assert store.person(project.id, user).properties == {name: None}, order


@BOTH_ENGINES
@pytest.mark.parametrize("name", ["source", "$initial_utm_source"])  # a row of its own, and in layers
@pytest.mark.parametrize("unsetting", ["anon", "user"])
def test_what_was_set_once_and_unset_is_set_by_no_later_set_once_in_any_order(
    store: Store, project: Project, name: str, unsetting: str
) -> None:
    for number, order in enumerate(permutations(range(4))):
        anon, user = f"anon-{number}", f"user-{number}"
        said = [
            event("first", anon, NOW + 1, set_once={name: "ad"}),
            event("unset", {"anon": anon, "user": user}[unsetting], NOW + 2, unset=[name]),
            event("second", anon, NOW + 3, set_once={name: "mail"}),
            event("claim", user, NOW + 4, claim=Claim("claim", anon, user)),
        ]
        for index in order:
            store.append(project.id, [said[index]], NOW)
        assert store.person(project.id, user).properties == {}
    store.append(project.id, [event("set", user, NOW + 5, set_={"source": "sales"})], NOW)
    assert store.person(project.id, user).properties == {"source": "sales"}


@BOTH_ENGINES
@pytest.mark.parametrize("seed", [1, 2])
def test_racing_writers_end_where_the_oracle_ends(database: str, store: Store, project: Project, seed: int) -> None:
    chance = random.Random(seed)
    ids = [f"id-{n}" for n in range(40)]
    kinds = [*["claim"] * 7, "alias", "alias", "forced_merge"]
    said = [
        Said(NOW + chance.randrange(50), uuid_of(), chance.choice(kinds), *chance.sample(ids, 2)) for _ in range(70)
    ]
    events = [Event(one.uuid, "x", one.y, one.at, {}, claim=Claim(one.kind, one.x, one.y)) for one in said]
    other = open_store(database)  # as a second process would have

    def send(which: Store, order: list[Event]) -> None:
        for start in range(0, len(order), 3):
            which.append(project.id, order[start : start + 3], NOW)

    with ThreadPoolExecutor(4) as pool:
        orders = [chance.sample(events, len(events)) for _ in range(4)]
        list(pool.map(send, [store, other, store, other], orders))
    for member, (members, survivor, identified) in persons(said).items():
        found = store.person(project.id, member)
        assert found is not None
        assert (frozenset(found.distinct_ids), found.distinct_ids[0], found.is_identified) == (
            members,
            survivor,
            identified,
        )
    other.close()
