"""What an operator corrects, in the store: undo is exact, a split parts what was chosen, the deleted stay deleted."""

from __future__ import annotations

import random
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from beknown.wire import MAX_ID
from beknown_server.columns import Columns
from beknown_server.errors import NotFound, Unusable
from beknown_server.store import Claim, Event, Project, Store, open_store
from beknown_server.store.warnings import REPLACED
from flask.testing import FlaskClient

from . import histories
from .conftest import BOTH_ENGINES, KEY, NOW, event

LATER = NOW + 1_000_000
IDS = ["anon-1", "anon-2", "anon-3", "ada", "bob", "cy"]


def said(kind: str, x: str, y: str, at: int, **more: Any) -> Event:
    return event("$identify", y, at, claim=Claim(kind, x, y), **more)


def history(chance: random.Random, length: int = 12) -> list[Event]:
    kinds = ["claim"] * 5 + ["alias"]
    found = []
    for order in range(length):
        x, y = chance.sample(IDS, 2)
        traits = {"set_": {"k": order}, "set_once": {"first": order}}
        found.append(said(chance.choice(kinds), x, y, NOW + order, **traits))
    return found


def picture(store: Store, project: Project) -> dict[str, Any]:
    """Everything that can be read about every id; ``undone`` aside, which is the log's."""
    found = {}
    for name in IDS:
        person, why = store.person(project.id, name), store.explain(project.id, name)
        facts = why and [
            [(one.distinct_id, one.to, one.rule, one.at) for one in part] for part in (why.links, why.refused)
        ]
        found[name] = person and (sorted(person.distinct_ids), person, facts)
    return found


@BOTH_ENGINES
@pytest.mark.parametrize("seed", range(6))
def test_a_merge_and_its_undo_leave_everything_as_it_was(store: Store, project: Project, seed: int) -> None:
    store.append(project.id, history(random.Random(seed)), NOW)
    before = picture(store, project)
    names = [name for name in IDS if before[name]]
    for source in names:
        for into in names:
            if before[source][0] != before[into][0]:
                link = store.corrections.merge(project.id, source, into, now=LATER)
                assert store.person(project.id, source).person_id == store.person(project.id, into).person_id
                store.corrections.undo(project.id, link, now=LATER + 1)
                assert picture(store, project) == before


@BOTH_ENGINES
@pytest.mark.parametrize("seed", range(6))
def test_an_undone_fact_is_as_if_it_had_never_been_said_and_redo_takes_it_back(
    store: Store, project: Project, seed: int
) -> None:
    facts = history(random.Random(100 + seed))
    store.append(project.id, facts, NOW)
    before = picture(store, project)
    links = {one.linked_by: one.id for name in IDS if before[name] for one in _facts(store, project, name)}
    for number, fact in enumerate(facts):
        other = store.create_project(f"{seed}.{number}", f"bk_{number}", f"bks_{number}", NOW)
        rest = [one for one in facts if one is not fact]
        bare = Event(fact.uuid, fact.event, fact.distinct_id, fact.timestamp, {}, fact.set_, fact.set_once)
        store.append(other.id, [*rest, bare], NOW)
        store.corrections.undo(project.id, links[fact.uuid], now=LATER)
        undone, never = picture(store, project), picture(store, other)
        for name in IDS:
            same = (undone[name] and never[name]) or undone[name] == never[name] or name in (fact.claim.x, fact.claim.y)
            assert same
            if undone[name] and never[name]:
                assert (undone[name][0], undone[name][2]) == (never[name][0], never[name][2])
                assert undone[name][1].properties == never[name][1].properties
                assert undone[name][1].is_identified == never[name][1].is_identified
        store.corrections.redo(project.id, links[fact.uuid])
        assert picture(store, project) == before


def _facts(store: Store, project: Project, name: str) -> list[Any]:
    why = store.explain(project.id, name)
    return [*why.links, *why.refused]


@BOTH_ENGINES
def test_what_an_undone_link_had_prevented_happens(store: Store, project: Project) -> None:
    store.append(project.id, [said("claim", "anon-1", "ada", NOW), said("claim", "anon-1", "bob", NOW + 1)], NOW)
    (link,) = store.explain(project.id, "ada").links
    store.corrections.undo(project.id, link.id, now=LATER)
    assert sorted(store.person(project.id, "bob").distinct_ids) == ["anon-1", "bob"]
    assert not store.person(project.id, "ada").is_identified


@BOTH_ENGINES
def test_an_undo_tells_which_links_keep_its_ids_one_person(store: Store, project: Project) -> None:
    facts = [
        said("claim", "anon-1", "ada", NOW),
        said("claim", "anon-1", "ada", NOW + 1),
        said("alias", "anon-2", "anon-1", NOW + 2),
        said("alias", "anon-2", "ada", NOW + 3),
        said("claim", "anon-3", "ada", NOW + 4),
    ]
    store.append(project.id, facts, NOW)
    first, again, alias, roundabout, _ = store.explain(project.id, "ada").links
    assert store.corrections.undo(project.id, first.id, now=LATER) == [again.id]
    assert store.corrections.undo(project.id, again.id, now=LATER) == [alias.id, roundabout.id]
    assert store.person(project.id, "anon-1").person_id == store.person(project.id, "ada").person_id
    assert store.corrections.undo(project.id, alias.id, now=LATER) == []
    assert store.person(project.id, "anon-1").distinct_ids == ["anon-1"]


@BOTH_ENGINES
@pytest.mark.parametrize("correction", ["undo", "split"])
@pytest.mark.parametrize("at", [NOW - 1, LATER + 1], ids=["late", "new"])
def test_a_correction_holds_against_a_repeat_but_not_against_what_is_said_anew(
    store: Store, project: Project, correction: str, at: int
) -> None:
    claim = said("claim", "anon-1", "ada", NOW)
    store.append(project.id, [claim], NOW)
    (link,) = store.explain(project.id, "ada").links
    if correction == "undo":
        store.corrections.undo(project.id, link.id, now=LATER)
    else:
        store.corrections.split(project.id, ["anon-1"], now=LATER)
    store.append(project.id, [claim], LATER)
    assert store.person(project.id, "anon-1").distinct_ids == ["anon-1"]
    store.append(project.id, [said("claim", "anon-1", "ada", at)], LATER)
    assert store.person(project.id, "anon-1").distinct_ids == ["ada", "anon-1"]
    assert [one.id for one in store.explain(project.id, "ada").undone] == [link.id]


@BOTH_ENGINES
def test_a_split_keeps_together_what_was_chosen_together(store: Store, project: Project) -> None:
    facts = [
        said("claim", "anon-1", "ada", NOW),
        said("alias", "bob", "anon-2", NOW + 1),
        said("claim", "anon-2", "ada", NOW + 2),
        said("claim", "anon-3", "ada", NOW + 3),
    ]
    store.append(project.id, facts, NOW)
    assert len(store.person(project.id, "ada").distinct_ids) == 5
    undone = store.corrections.split(project.id, ["anon-2", "bob"], now=LATER)
    assert sorted(store.person(project.id, "bob").distinct_ids) == ["anon-2", "bob"]
    assert sorted(store.person(project.id, "ada").distinct_ids) == ["ada", "anon-1", "anon-3"]
    for link in undone:
        store.corrections.redo(project.id, link)
    assert len(store.person(project.id, "ada").distinct_ids) == 5


@BOTH_ENGINES
def test_a_split_leaves_users_users_so_that_nothing_else_joins_them(store: Store, project: Project) -> None:
    refused_at_first = [said("claim", "anon-1", "bob", NOW + 1), said("alias", "ada", "bob", NOW + 2)]
    store.append(project.id, [said("claim", "anon-1", "ada", NOW), *refused_at_first], NOW)
    before = picture(store, project)
    (link,) = store.corrections.split(project.id, ["anon-1"], now=LATER)
    assert store.person(project.id, "ada").distinct_ids == ["ada"]
    assert store.person(project.id, "bob").distinct_ids == ["bob", "anon-1"]  # Bob's claim is what is left
    assert store.person(project.id, "ada").is_identified
    store.corrections.redo(project.id, link)
    assert picture(store, project) == before


@BOTH_ENGINES
@pytest.mark.parametrize("seed", range(25))
def test_a_split_parts_the_chosen_from_the_rest_whatever_was_said_or_changes_nothing(
    store: Store, project: Project, seed: int
) -> None:
    chance = random.Random(seed)
    store.append(project.id, [histories.event_of(one) for one in histories.history(chance)], NOW)
    for name in histories.IDS:
        person = store.person(project.id, name)
        if person is None or len(person.distinct_ids) < 2:
            continue
        chosen = chance.sample(person.distinct_ids, chance.randint(1, len(person.distinct_ids) - 1))
        with suppress(Unusable):
            store.corrections.split(project.id, chosen, now=LATER)
        if store.person(project.id, name) == person:
            continue  # others would bring them together again: then nothing is changed
        for one in chosen:
            left = set(person.distinct_ids) - set(chosen)
            assert not left & set(store.person(project.id, one).distinct_ids)


@BOTH_ENGINES
@pytest.mark.parametrize("order", [1, -1])
def test_whom_a_deletion_leaves_is_what_the_facts_that_are_left_say(store: Store, project: Project, order: int) -> None:
    refused = [
        said("claim", "anon-1", "bob", NOW + 1),
        said("alias", "ada", "bob", NOW + 2, properties={"alias": "ada"}),
    ]
    store.append(project.id, [said("claim", "anon-1", "ada", NOW), *refused], NOW)
    store.corrections.delete(project.id, "ada", now=LATER)
    assert store.person(project.id, "bob").is_identified  # the site said so
    assert "ada" not in str([row.properties for row in store.recent(project.id)])
    facts = [said("claim", "anon-2", "cy", LATER + 1), said("alias", "bob", "cy", LATER + 2)]
    for fact in facts[::order]:
        store.append(project.id, [fact], LATER + 9)
    assert store.person(project.id, "bob").distinct_ids == ["bob"]


@BOTH_ENGINES
@pytest.mark.parametrize("seed", range(25))
def test_after_a_deletion_the_rest_is_replayed(store: Store, project: Project, seed: int) -> None:
    chance = random.Random(seed)
    told = histories.history(chance)
    arrived = [histories.event_of(one) for one in told]
    chance.shuffle(arrived)
    for one in arrived:
        store.append(project.id, [one], NOW)
    gone = chance.choice([name for name in histories.IDS if store.person(project.id, name)] or [told[0].y])
    deleted = set(store.corrections.delete(project.id, gone, now=LATER).names)
    kept = [one for one in told if one.y not in deleted]
    left = histories.without(told, deleted)
    assert histories.differences(store, project, left, kept=kept, seen=told, deleted=deleted) == []


@BOTH_ENGINES
def test_the_deleted_stay_deleted_whatever_comes_late(store: Store, project: Project) -> None:
    told = {"set_": {"email": "ada@example.com"}, "set_once": {"$initial_utm_source": "ad"}}
    early = [event("$pageview", "anon-1", NOW), said("claim", "anon-1", "ada", NOW + 1, **told)]
    others = [said("claim", "anon-2", "bob", NOW + 2, set_={"plan": "pro"}), said("claim", "anon-1", "bob", NOW + 3)]
    store.append(project.id, [*early, *others], NOW)
    bob = store.person(project.id, "bob")
    deleted = store.corrections.delete(project.id, "anon-1", now=LATER)
    assert (sorted(deleted.names), deleted.events) == (["ada", "anon-1"], 2)

    late = [
        event("clicked", "ada", NOW + 5, **told),
        event("clicked", "anon-1", LATER, **told),
        said("claim", "anon-3", "ada", NOW + 6, **told),
        said("claim", "anon-1", "cy", NOW + 7, **told),
        *early,
    ]
    assert store.append(project.id, late, LATER + 1).forgotten == {one.uuid for one in late}
    for name in ("ada", "anon-1", "anon-3", "cy"):
        assert store.person(project.id, name) is None
    assert store.people(project.id, search="ada@example.com") == []
    assert store.person(project.id, "bob") == bob
    assert {row.distinct_id for row in store.recent(project.id)} == {"bob"}
    with pytest.raises(NotFound):
        store.corrections.delete(project.id, "ada", now=LATER)

    assert store.append(project.id, [event("back", "ada", LATER + 2, set_={"plan": "new"})], LATER + 3).stored == 1
    again = store.person(project.id, "ada")
    assert (again.distinct_ids, again.properties, again.event_count) == (["ada"], {"plan": "new"}, 1)


@BOTH_ENGINES
def test_an_id_that_is_no_persons_is_deleted_too(store: Store, project: Project) -> None:
    flag = event("$feature_flag_called", "ada@example.com", NOW, personal=False)
    refused = event(
        "$identify",
        "bob",
        NOW,
        claim=Claim("claim", "cy@example.com", "bob", "unsigned"),
        properties={"$anon_distinct_id": "cy@example.com"},
    )
    store.append(project.id, [flag, refused], NOW)
    for name, events in (("ada@example.com", 1), ("cy@example.com", 0)):
        deleted = store.corrections.delete(project.id, name, now=LATER)
        assert (deleted.names, deleted.events) == ([name], events)
        with pytest.raises(NotFound):
            store.corrections.delete(project.id, name, now=LATER)
    (left,) = store.recent(project.id)
    assert (left.distinct_id, left.properties) == ("bob", {"$anon_distinct_id": "(deleted)"})
    late = [flag, event("x", "cy@example.com", NOW)]
    assert store.append(project.id, late, LATER).forgotten == {one.uuid for one in late}


@BOTH_ENGINES
def test_a_clock_that_is_ahead_brings_nobody_back(store: Store, project: Project) -> None:
    ahead = 50_000
    early = [event("x", "anon-1", LATER + n, ahead=ahead) for n in (-10, 10, ahead)]
    store.append(project.id, [said("claim", "anon-1", "ada", NOW), *early[:2]], NOW)
    store.corrections.delete(project.id, "ada", now=LATER)
    assert len(store.append(project.id, early, LATER + 20).forgotten) == 3
    exported = event("old", "anon-1", LATER + 10)  # long ago
    assert len(store.append(project.id, [exported], LATER + 20).forgotten) == 1
    assert (
        store.append(project.id, [event("new", "ada", LATER + 10), event("new", "anon-1", LATER + 11)], NOW).stored == 2
    )
    assert len(store.append(project.id, [event("new", "anon-1", LATER + 1 + ahead, ahead=ahead)], NOW).forgotten) == 1
    assert store.append(project.id, [event("new", "anon-1", LATER + 11 + ahead, ahead=ahead)], NOW).stored == 1


@BOTH_ENGINES
def test_a_deletion_leaves_other_projects_and_replays_alone(store: Store, project: Project) -> None:
    other = store.create_project("Other", "bk_other", "bks_other", NOW)
    facts = [said("claim", "anon-1", "ada", NOW), said("claim", "anon-2", "bob", NOW + 9)]
    store.append(project.id, facts, NOW)
    store.append(other.id, facts, NOW)
    store.corrections.delete(project.id, "ada", now=LATER)
    assert store.person(other.id, "ada").event_count == 1
    store.append(project.id, [said("claim", "anon-2", "cy", NOW + 1)], LATER)  # late: replays what is left
    assert sorted(store.person(project.id, "anon-2").distinct_ids) == ["anon-2", "cy"]
    assert store.person(project.id, "bob").is_identified


@BOTH_ENGINES
def test_warnings_do_not_quote_the_deleted(store: Store, project: Project) -> None:
    store.append(project.id, [said("claim", "anon-1", "ada@example.com", NOW)], NOW)
    store.warn(project.id, "junk_id", "'null' as 'ada@example.com'", "Mend it.", NOW)
    store.warn(project.id, "id_too_long", "somebody else", "Mend it.", NOW)
    assert len(store.warnings(project.id)) == 2
    store.corrections.delete(project.id, "ada@example.com", now=LATER)
    examples = {one.code: one.example for one in store.warnings(project.id)}
    assert "ada" not in examples["junk_id"]
    assert examples["id_too_long"] == "somebody else"


@BOTH_ENGINES
@pytest.mark.parametrize("ada", [4711, {"id": 4711}, "ada" * 100, "ada\0"], ids=["number", "object", "long", "nul"])
def test_no_claim_of_others_names_the_deleted_however_it_wrote_the_id(
    client: FlaskClient, store: Store, project: Project, ada: Any
) -> None:
    batch = [
        {"event": "$create_alias", "distinct_id": "bob", "properties": {"alias": ada, "price": 4711}},
        {"event": "$identify", "distinct_id": "bob", "properties": {"$anon_distinct_id": ada}},
    ]
    seen = [{"event": "$identify", "distinct_id": one} for one in (ada, "bob")]
    named = [{**one, "properties": {"$previous_user": "eve"}} for one in seen]  # two users: nothing joins them
    assert client.post("/e/", json={"api_key": KEY, "batch": [*named, *batch]}).json == {"status": 1}
    (name,) = {row.distinct_id for row in store.recent(project.id)} - {"bob"}
    store.corrections.delete(project.id, name, now=LATER)
    claimed, aliased, _ = store.recent(project.id)
    assert claimed.properties == {"$anon_distinct_id": "(deleted)"}
    assert aliased.properties == {"alias": "(deleted)", "price": 4711}


LONG = "auth0|" + "a" * 80 + "-ada"


@BOTH_ENGINES
@pytest.mark.parametrize("ada", ["CORP\\ada", "o'br\"ada", "a\u200bda", LONG, LONG + "a" * 200])
def test_warnings_do_not_quote_the_deleted_however_they_wrote_the_id(
    client: FlaskClient, store: Store, project: Project, ada: str
) -> None:
    batch = [
        {"event": "x", "distinct_id": ada},
        {"event": "x", "distinct_id": ada, "uuid": "none"},  # skipped: the example says whose it was
        *({"event": "$identify", "distinct_id": one, "properties": {"$anon_distinct_id": "d"}} for one in ("bob", ada)),
    ]
    assert client.post("/e/", json={"api_key": KEY, "batch": batch}).json["status"] == 1
    # As they were written once.
    store.warn(project.id, "id_too_long", f"'d' as {ada[:MAX_ID]!r}", "Mend it.", NOW)
    assert len(store.warnings(project.id)) == 3
    store.corrections.delete(project.id, ada, now=LATER)
    assert {one.example for one in store.warnings(project.id)} == {REPLACED}


@BOTH_ENGINES
def test_a_warning_that_waits_to_be_counted_is_written_before_whom_it_quotes_is_deleted(
    store: Store, project: Project
) -> None:
    for n in range(9):
        store.append(project.id, [event("x", f"ada-{n}", NOW)], NOW)
        store.warn(project.id, "junk_id", f"'null' as 'ada-{n}'", "Mend it.", NOW)
        store.corrections.delete(project.id, f"ada-{n}", now=LATER)
        (warning,) = store.warnings(project.id)
        assert "ada" not in warning.example


@BOTH_ENGINES
def test_what_comes_late_of_the_deleted_leaves_their_ids_in_no_warning(
    client: FlaskClient, store: Store, project: Project
) -> None:
    def send(at: int, *users: int) -> None:
        # An id that is no text is complained about, and quoted.
        late = [{"event": "$identify", "distinct_id": one, "timestamp": at} for one in users]
        assert client.post("/e/", json={"api_key": KEY, "batch": late}).json == {"status": 1}

    send(NOW, 4711)
    store.corrections.delete(project.id, "4711", now=LATER)
    before = {one.code: (one.count, one.example) for one in store.warnings(project.id)}
    send(NOW, 4711)
    after = {one.code: (one.count, one.example) for one in store.warnings(project.id)}
    assert after == {**before, "forgotten": (1, "an event of somebody who was deleted")}
    send(NOW, 4711, 4712)
    assert "4711" not in str(store.warnings(project.id))
    assert "4712" in str(store.warnings(project.id)), "what is not theirs is complained about as ever"


def test_no_file_holds_the_deleted_any_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def as_others_build_it(*given: Any, real: Any = sqlite3.connect, **more: Any) -> sqlite3.Connection:
        raw: sqlite3.Connection = real(*given, **more)
        raw.execute("pragma secure_delete = off")  # Debian's overwrites unasked
        return raw

    monkeypatch.setattr(sqlite3, "connect", as_others_build_it)
    store = open_store(f"sqlite:///{tmp_path}/beknown.db")
    store.migrate()
    project = store.create_project("Tests", "bk_1", "bks_1", NOW)
    columns = Columns(store, tmp_path / "columns")
    told = {"set_": {"email": "ada-of-the-lake"}, "properties": {"path": "ada-of-the-lake"}}
    many = [said("claim", f"ada-of-the-lake-{n}", "ada-of-the-lake", NOW + n, **told) for n in range(50)]
    bobs = said("claim", "ada-of-the-lake-1", "bob", NOW + 99, properties={"$anon_distinct_id": "ada-of-the-lake-1"})
    store.append(project.id, [*many, bobs], NOW)
    with columns.reading(project.id):
        pass
    deleted = store.corrections.delete(project.id, "ada-of-the-lake", now=LATER)
    columns.forget(project.id, deleted.numbers)
    columns.close()
    store.close()
    with sqlite3.connect(tmp_path / "beknown.db") as raw:
        raw.execute("pragma wal_checkpoint(truncate)")
    raw.close()
    holding = [one.name for one in tmp_path.rglob("*") if one.is_file() and b"ada-of-the-lake" in one.read_bytes()]
    assert holding == []


@BOTH_ENGINES
def test_what_cannot_be_corrected_is_refused(store: Store, project: Project) -> None:
    junk = event("$identify", "ada", NOW, claim=Claim("claim", "null", "ada", "junk_id"))
    store.append(project.id, [junk, event("x", "null", NOW)], NOW)
    null = store.person(project.id, "null")
    for shared in ("null", null.person_id):
        with pytest.raises(Unusable, match="many people"):
            store.corrections.merge(project.id, "ada", shared, now=NOW)
    (refused,) = store.explain(project.id, "ada").refused
    with pytest.raises(Unusable, match="refused for good"):
        store.corrections.undo(project.id, refused.id, now=NOW)
    other = store.create_project("Other", "bk_other", "bks_other", NOW)
    with pytest.raises(NotFound):
        store.corrections.undo(other.id, refused.id, now=NOW)
    with pytest.raises(NotFound):
        store.corrections.merge(other.id, "ada", "bob", now=NOW)
