"""The store: each event once, persons as known now, keys, warnings, and the queue."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from beknown_server.errors import TooBusy
from beknown_server.store import Claim, Event, Origin, Place, Project, Store, open_store, people, writer
from beknown_server.store.migrate import pending

from .conftest import BOTH_ENGINES, NOW, SECRET, event, uuid_of

pytestmark = BOTH_ENGINES


def identify(anonymous: str, user: str, at: int = NOW, **more: object) -> Event:
    return event("$identify", user, at, claim=Claim("claim", anonymous, user), **more)


def test_it_stores_an_event_once_and_the_first_one_stays(store: Store, project: Project) -> None:
    one = uuid_of()
    first = event("first", "ada", uuid=one, set_={"plan": "free"})
    again = event("second", "bob", uuid=one, set_={"plan": "pro"})
    assert store.append(project.id, [first, first], NOW).stored == 1
    assert store.append(project.id, [again], NOW).repeated == 1
    assert [row.event for row in store.recent(project.id)] == ["first"]
    assert store.person(project.id, "bob") is None
    assert store.person(project.id, "ada").properties == {"plan": "free"}


def test_the_same_uuid_in_two_projects_is_two_events(store: Store, project: Project) -> None:
    other = store.create_project("Other", "bk_other", "bks_other", NOW)
    shared = event("shared", "ada")
    assert store.append(project.id, [shared], NOW).stored == 1
    assert store.append(other.id, [shared], NOW).stored == 1
    assert len(store.recent(other.id)) == 1


def test_what_was_anonymous_is_the_users_from_the_moment_of_the_claim(store: Store, project: Project) -> None:
    store.append(project.id, [event("$pageview", "anon-1")], NOW)
    before = store.recent(project.id)[0].person
    assert (before.is_identified, before.name) == (False, "Visitor non1")
    store.append(project.id, [identify("anon-1", "ada@example.com", NOW + 1)], NOW)
    rows = store.recent(project.id)
    assert {row.person.person_id for row in rows} == {rows[0].person.person_id}
    assert rows[-1].person.name == "ada@example.com"
    assert rows[-1].distinct_id == "anon-1"


def test_a_person_is_named_by_email_then_name_then_id(store: Store, project: Project) -> None:
    store.append(project.id, [identify("anon-1", "u1")], NOW)
    assert store.person(project.id, "u1").name == "u1"
    store.append(project.id, [event("$set", "anon-1", set_={"name": "Ada"})], NOW)
    assert store.person(project.id, "u1").name == "Ada"
    store.append(project.id, [event("$set", "u1", set_={"email": "ada@example.com"})], NOW)
    assert store.person(project.id, "u1").name == "ada@example.com"


def test_a_persons_old_id_still_finds_them_after_a_merge(store: Store, project: Project) -> None:
    store.append(project.id, [event("$pageview", "anon-1")], NOW)
    old = store.person(project.id, "anon-1").person_id
    store.append(project.id, [identify("anon-1", "ada", NOW + 1)], NOW)
    found = store.person(project.id, old)
    assert found.distinct_ids == ["ada", "anon-1"]
    assert found.person_id != old
    assert [row.distinct_id for row in store.recent(project.id, person_id=old)] == ["ada", "anon-1"]


def test_recent_is_newest_first_and_resumes_oldest_first(store: Store, project: Project) -> None:
    for number in range(5):
        store.append(project.id, [event(f"e{number}", "ada")], NOW)
    rows = store.recent(project.id, limit=2)
    assert [row.event for row in rows] == ["e4", "e3"]
    assert [row.event for row in store.recent(project.id, before=rows[-1].seq)] == ["e2", "e1", "e0"]
    assert [row.event for row in store.recent(project.id, after=rows[-1].seq - 1, limit=2)] == ["e3", "e4"]
    assert [row.event for row in store.recent(project.id, event="e1")] == ["e1"]
    assert store.recent(project.id, distinct_id="nobody") == []


def test_recent_leaves_what_is_too_many_bytes_for_the_next_question(store: Store, project: Project) -> None:
    store.append(project.id, [event(f"e{n}", "ada", properties={"text": "x" * 100}) for n in range(4)], NOW)
    store.append(project.id, [event("big", "ada", properties={"text": "x" * 1000}), event("last", "ada")], NOW)
    assert [row.event for row in store.recent(project.id, after=0, most_bytes=210)] == ["e0", "e1"]
    assert [row.event for row in store.recent(project.id, after=0, most_bytes=1)] == ["e0"]
    first = store.recent(project.id, after=0, most_bytes=10_000)
    assert [row.event for row in first] == ["e0", "e1", "e2", "e3", "big", "last"]
    assert [row.event for row in store.recent(project.id, after=first[3].seq, most_bytes=500)] == ["big"]
    assert [row.event for row in store.recent(project.id, most_bytes=500)] == ["last", "big"]
    assert [row.event for row in store.recent(project.id, most_bytes=500, event="e1")] == ["e1"]
    assert store.recent(project.id, after=first[5].seq, most_bytes=500) == []
    assert [row.size > 1000 for row in first] == [False, False, False, False, True, False]


def test_groups_and_flags_make_no_person(store: Store, project: Project) -> None:
    store.append(project.id, [event("$groupidentify", "random", personal=False), event("x", "ada")], NOW)
    assert store.person(project.id, "random") is None
    assert [person.name for person in store.people(project.id)] == ["Visitor ada"]
    assert store.counts(project.id, NOW).persons == 1
    assert store.counts(project.id, NOW).events == 2


def test_people_are_found_by_id_email_and_name(store: Store, project: Project) -> None:
    store.append(project.id, [identify("anon-1", "u1", set_={"email": "Ada@example.com"})], NOW)
    store.append(project.id, [event("x", "bob_100%", NOW + 5)], NOW)
    assert [person.distinct_ids[0] for person in store.people(project.id)] == ["bob_100%", "u1"]
    for search in ("ada@", "ANON-1", "u1"):
        assert [person.distinct_ids[0] for person in store.people(project.id, search=search)] == ["u1"]
    assert [person.distinct_ids[0] for person in store.people(project.id, search="_100%")] == ["bob_100%"]
    assert store.people(project.id, search="b%b") == []
    assert [person.distinct_ids[0] for person in store.people(project.id, before=Place(NOW + 5, 0))] == ["u1"]
    assert len(store.people(project.id, limit=1)) == 1


def test_people_who_were_seen_at_once_are_all_listed_each_once(store: Store, project: Project) -> None:
    store.append(project.id, [event("x", f"v{number}") for number in range(20)], NOW)
    adas = [f"v{number}" for number in range(0, 12, 2)]
    store.append(project.id, [identify(one, "ada") for one in adas], NOW)
    store.append(project.id, [identify(f"anon-{number}", "bob", NOW - 5 + number) for number in range(9)], NOW)
    pages, place = [], None
    while page := store.people(project.id, limit=4, before=place):
        pages.append([one.distinct_ids[0] for one in page])
        place = page[-1].place
    names = [name for page in pages for name in page]
    assert names[:2] == ["bob", "ada"]
    assert sorted(names[2:]) == sorted({f"v{number}" for number in range(20)} - {*adas})
    assert [len(page) for page in pages] == [4, 4, 4, 4]


def test_people_are_found_by_a_property(store: Store, project: Project) -> None:
    store.append(project.id, [identify("anon-1", "u1", set_={"plan": "Pro", "seats": 12})], NOW)
    store.append(project.id, [identify("anon-2", "u2", set_={"plan": "free"})], NOW)
    store.append(project.id, [event("x", "a=b", NOW)], NOW)
    for search, found in (
        ("plan=pro", ["u1"]),
        (" plan = FREE ", ["u2"]),
        ("seats=12", ["u1"]),
        ("plan=%", []),
        ("plan=", []),
        ("size=pro", []),
        ("a=b", ["a=b"]),
    ):
        assert [person.distinct_ids[0] for person in store.people(project.id, search=search)] == found, search


def test_texts_of_persons_come_page_by_page_each_person_whole(
    store: Store, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "PERSONS_AT_ONCE", 3)
    other = store.create_project("Other", "bk_other", "bks_other", NOW)
    for number in range(10):
        store.append(project.id, [event("x", f"v{number}", NOW + number, set_={"plan": f"p{number}", "$os": "A"})], NOW)
        store.append(other.id, [event("x", f"v{number}", set_={"plan": "another project's"})], NOW)
    store.append(project.id, [identify(f"v{number}", "v1", NOW + 20) for number in (0, 9)], NOW)
    found = list(store.person_texts(project.id, ["plan", "$os"]))
    assert len({person for person, _, _ in found}) == 8
    assert sorted(text for _, key, text in found if key == "plan") == [f"p{number}" for number in range(2, 10)]
    assert [text for _, key, text in found if key == "$os"] == ["A"] * 8


def test_each_property_says_when_and_whence_it_came(store: Store, project: Project) -> None:
    store.append(project.id, [event("$pageview", "anon-1", NOW, set_once={"source": "ad"})], NOW)
    store.append(project.id, [identify("anon-1", "u1", NOW + 1, set_={"plan": "free", "old": 1})], NOW)
    store.append(project.id, [event("Upgraded", "u1", NOW + 2, set_={"plan": "pro"}, unset=("old",))], NOW)
    found = store.origins(project.id, "anon-1")
    assert found == {
        "source": Origin(NOW, "anon-1", "$pageview", is_first=True),
        "plan": Origin(NOW + 2, "u1", "Upgraded", is_first=False),
    }
    assert set(found) == set(store.person(project.id, "u1").properties)
    assert store.origins(project.id, "nobody") == {}


def test_a_person_of_many_ids_is_listed_once(store: Store, project: Project) -> None:
    store.append(project.id, [identify(f"anon-{n}", "ada", NOW + n) for n in range(600)], NOW)
    (person,) = store.people(project.id)
    assert len(person.distinct_ids) == 601
    late = identify("anon-700", "ada", NOW - 1)  # a replay of more ids than one question holds
    store.append(project.id, [late], NOW)
    assert len(store.person(project.id, "ada").distinct_ids) == 602


def test_it_explains_what_was_linked_and_what_was_refused(store: Store, project: Project) -> None:
    first, second = identify("anon-1", "ada"), identify("anon-1", "bob", NOW + 1)
    junk = event("$identify", "cy", NOW + 2, claim=Claim("claim", "null", "cy", "junk_id"))
    store.append(project.id, [first, second, junk], NOW)
    found = store.explain(project.id, "ada")
    assert [(link.distinct_id, link.to, link.rule, link.linked_by) for link in found.links] == [
        ("anon-1", "ada", "claim", first.uuid)
    ]
    assert [(link.to, link.rule) for link in found.refused] == [("bob", "already_identified")]
    assert [link.rule for link in store.explain(project.id, "cy").refused] == ["junk_id"]
    assert store.explain(project.id, "nobody") is None


def test_a_late_claim_takes_the_id_from_the_one_that_only_arrived_first(store: Store, project: Project) -> None:
    store.append(project.id, [identify("anon-1", "bob", NOW + 9)], NOW)
    store.append(project.id, [identify("anon-1", "ada", NOW + 1)], NOW)
    assert store.person(project.id, "anon-1").distinct_ids == ["ada", "anon-1"]
    assert [link.rule for link in store.explain(project.id, "bob").refused] == ["already_identified"]


def test_secret_keys_open_their_project_and_end_when_rotated(store: Store, project: Project) -> None:
    assert store.project_by_secret_key(SECRET) == project
    assert store.project_by_secret_key("bks_wrong") is None
    assert store.project_by_write_key(SECRET) is None
    store.rotate_key(project.id, "bks_next", NOW, keep_ms=1000)
    assert store.project_by_secret_key(SECRET, now=NOW + 999) == project
    assert store.project_by_secret_key(SECRET, now=NOW + 1000) is None
    assert store.project_by_secret_key("bks_next", now=NOW + 1000) == project


def test_warnings_are_counted_with_the_latest_example(store: Store, project: Project) -> None:
    for number in range(3):
        store.warn(project.id, "junk_id", f"example {number}", "Do this.", NOW + number)
    store.warn(None, "unknown_key", "bk_x", "Do that.", NOW, count=2)
    found = {warning.code: warning for warning in store.warnings(project.id)}
    assert (found["junk_id"].count, found["junk_id"].example) == (3, "example 2")
    assert (found["junk_id"].first_seen, found["junk_id"].last_seen) == (NOW, NOW + 2)
    assert found["unknown_key"].count == 2
    assert store.warned(project.id) == 5
    assert store.warned(project.id + 1) == 2, "what concerns no project is shown to each"


def test_everything_is_there_after_reopening(database: str) -> None:
    first = open_store(database)
    first.migrate()
    project = first.create_project("Tests", "bk_1", "bks_1", NOW)
    first.append(project.id, [identify("anon-1", "ada")], NOW)
    first.warn(project.id, "junk_id", "null", "", NOW)
    secret = first.site_secret()
    first.close()
    second = open_store(database)
    assert second.pending_migrations() == []
    assert second.person(project.id, "anon-1").distinct_ids == ["ada", "anon-1"]
    assert [warning.code for warning in second.warnings(project.id)] == ["junk_id"]
    assert second.site_secret() == secret
    second.close()


def test_two_stores_on_one_database_agree(database: str, store: Store, project: Project) -> None:
    other = open_store(database)
    uuids = [uuid_of() for _ in range(100)]

    def send(which: Store) -> int:
        return sum(
            which.append(project.id, [identify(f"anon-{n}", f"user-{n % 7}", NOW + n, uuid=uuid)], NOW).stored
            for n, uuid in enumerate(uuids)
        )

    with ThreadPoolExecutor(4) as pool:
        stored = list(pool.map(send, [store, other, store, other]))
    assert sum(stored) == 100
    assert len(other.people(project.id)) == 7
    rows = store.recent(project.id, limit=200)
    assert sorted(row.uuid for row in rows) == sorted(uuids)
    other.close()


def test_a_piece_of_work_that_fails_takes_nobody_with_it(store: Store, project: Project) -> None:
    started = threading.Event()

    def hold(_: object) -> None:
        started.wait(5)

    def fail(_: object) -> None:
        raise ZeroDivisionError

    with ThreadPoolExecutor(3) as pool:
        held = pool.submit(store._writer.run, hold)  # so that the next two share a group
        bad = pool.submit(store._writer.run, fail)
        good = pool.submit(store.append, project.id, [event("x", "ada")], NOW)
        started.set()
        assert good.result().stored == 1
        with pytest.raises(ZeroDivisionError):
            bad.result()
        held.result()
    assert len(store.recent(project.id)) == 1


def test_a_full_queue_is_refused_at_once(store: Store, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MOST_WAITING", 10)
    release = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        held = pool.submit(store._writer.run, lambda _: release.wait(5))
        while store._writer._jobs:
            pass
        waiting = pool.submit(store.append, project.id, [event("x", "ada") for _ in range(9)], NOW)
        while not store.waiting:
            pass
        with pytest.raises(TooBusy, match="wait to be stored"):
            store.append(project.id, [event("x", "ada"), event("y", "ada")], NOW)
        release.set()
        held.result()
        assert waiting.result().stored == 9


def test_a_closed_store_takes_nothing_more(database: str) -> None:
    store = open_store(database)
    store.migrate()
    store.close()
    with pytest.raises(TooBusy, match="stopping"):
        store.append(1, [event("x", "ada")], NOW)


def test_processes_that_start_together_migrate_one_after_the_other(database: str) -> None:
    def start(_: int) -> list[str]:
        store = open_store(database)
        store.migrate()
        lacking = store.pending_migrations()
        store.close()
        return lacking

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(start, range(4))) == [[]] * 4


def test_a_new_database_says_what_it_lacks(database: str) -> None:
    store = open_store(database)
    assert store.pending_migrations()
    store.migrate()
    assert pending(store._engine.alembic_url) == []
    store.migrate()
    store.close()


def test_a_question_may_ask_for_more_than_one_statement_holds(store: Store, project: Project) -> None:
    events = [event("x", f"id-{n}", uuid=uuid_of()) for n in range(1300)]
    assert store.append(project.id, events, NOW).stored == 1300
    assert store.append(project.id, events, NOW).repeated == 1300
    assert store.counts(project.id, NOW).persons == 1300
