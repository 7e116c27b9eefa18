"""Export and import: everything comes back, from our own files, PostHog's, and lists of events."""

from __future__ import annotations

import csv
import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from beknown_server import archive, archive_cli
from beknown_server.cli import cli
from beknown_server.errors import Misconfigured
from beknown_server.intake import Terms, taken
from beknown_server.store import Project, Store, open_store
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import NOW, uuid_of

IDS = ["anon-1", "anon-2", "ada", "bob", 'q"uo,te\nd', "42"]
SAID = st.lists(
    st.tuples(
        st.sampled_from(
            ["$identify", "$identify", "$create_alias", "$merge_dangerously", "$set", "x", "$groupidentify"]
        ),
        st.sampled_from(IDS),
        st.sampled_from(IDS),
        st.integers(0, 9),
        st.dictionaries(st.sampled_from("abc"), st.none() | st.integers(-9, 9) | st.text(max_size=3), max_size=2),
        st.sampled_from(["$set", "$set_once", "$unset"]),
    ),
    max_size=12,
)


def raw(name: str, x: str, y: str, at: int, bag: dict[str, Any], where: str) -> dict[str, Any]:
    about = {"$anon_distinct_id": x} if name == "$identify" else {"alias": x}
    group = {"$group_type": "company", "$group_key": x, "$group_set": bag}
    properties = {**(group if name == "$groupidentify" else about), where: list(bag) if where == "$unset" else bag}
    event = {"uuid": uuid_of(), "event": name, "distinct_id": y, "properties": properties}
    return {**event, "timestamp": str(NOW + at)}


def tell(store: Store, project: Project, events: list[dict[str, Any]], **options: bool) -> None:
    terms = Terms(NOW + 100, None, options, lambda now: uuid_of())
    store.append(project.id, [taken(one, terms).event for one in events], NOW + 100)


def picture(store: Store, project: Project) -> dict[str, Any]:
    """All that can be read of persons, log, groups and events; person ids aside, which are each project's own."""
    found: dict[str, Any] = {
        "groups": sorted((one.type, one.key, one.properties) for one in store.groups.known(project.id)),
        "events": sorted(
            (row.uuid, row.event, row.timestamp, row.distinct_id, str(row.properties))
            for row in store.recent(project.id, limit=1000)
        ),
    }
    for name in IDS:
        person, why = store.person(project.id, name), store.explain(project.id, name)
        if person is None or why is None:
            continue
        log = [
            [(one.distinct_id, one.to, one.linked_by, one.rule, one.at, one.undone) for one in part]
            for part in (why.links, why.refused, why.undone)
        ]
        head = (person.distinct_ids[0], sorted(person.distinct_ids), person.is_identified, person.properties)
        found[name] = (head, person.first_seen, person.last_seen, person.event_count, log)
    return found


class Command:
    """The command line on one database."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.store = open_store(self.url)
        self.store.migrate()

    def project(self) -> Project:
        name = uuid_of()
        return self.store.create_project(name, "bk_" + name, "bks_" + name, NOW)

    def run(self, *words: Any, project: Project) -> str:
        arguments = [*map(str, words), "--project", str(project.id), "--database", self.url]
        done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def command(either_database: str) -> Iterator[Command]:
    made = Command(either_database)
    yield made
    made.store.close()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SAID, st.randoms(), st.sampled_from(["ndjson", "csv"]), st.integers(1, 5))
def test_what_was_exported_is_imported_into_the_same(
    command: Command, tmp_path_factory: pytest.TempPathFactory, said: Any, chance: random.Random, form: str, page: int
) -> None:
    store, mine, other = command.store, command.project(), command.project()
    folder = tmp_path_factory.mktemp("files")
    tell(store, mine, [raw(*one) for one in said], merge_dangerously=True)
    links = [one for name in IDS for one in _links(store, mine, name)]
    for link in {one.id for one in chance.sample(links, len(links) // 3)}:
        store.corrections.undo(mine.id, link, now=NOW + 200)
    people = store.people(mine.id)
    if len(people) > 1:
        store.corrections.merge(mine.id, people[0].distinct_ids[0], people[1].distinct_ids[0], now=NOW + 300)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive_cli, "PAGE", page)
        command.run("export", "--format", form, "--output", folder / "all", project=mine)
        command.run("import", folder / "all", project=other)
        assert picture(store, other) == picture(store, mine)
        command.run("import", folder / "all", project=other)
    assert picture(store, other) == picture(store, mine)


def _links(store: Store, project: Project, name: str) -> list[Any]:
    why = store.explain(project.id, name)
    return (
        [one for one in [*why.links, *why.refused] if one.rule in ("claim", "alias", "already_identified")]
        if why
        else []
    )


def visit() -> list[dict[str, Any]]:
    return [
        raw("x", "", "anon-1", 0, {}, "$set"),
        raw("$identify", "anon-1", "ada", 1, {"plan": "free"}, "$set"),
        raw("$identify", "anon-2", "ada", 2, {"plan": "pro"}, "$set"),
        raw("$identify", "anon-1", "bob", 3, {"plan": "bob's"}, "$set"),
    ]


def test_an_export_that_broke_off_goes_on_where_it_stopped(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = command.project()
    tell(command.store, mine, [raw("x", "", f"id-{n}", n, {"n": n}, "$set") for n in range(30)])
    monkeypatch.setattr(archive_cli, "PAGE", 7)
    command.run("export", "--output", tmp_path / "whole", project=mine)
    for broken in range(1, 8):
        written = 0

        def fail(self: Any, records: Any, real: Any = archive_cli.Target.write, broken: int = broken) -> None:
            nonlocal written
            written += 1
            if written > broken:
                self._file.write(b'{"record": "eve')
                self._file.flush()
                raise OSError("the disk is full")
            real(self, records)

        file = tmp_path / f"broken-{broken}"
        with monkeypatch.context() as patch:
            patch.setattr(archive_cli.Target, "write", fail)
            with pytest.raises(OSError, match="full"):
                command.run("export", "--output", file, project=mine)
        command.run("export", "--output", file, project=mine)
        assert file.read_bytes() == (tmp_path / "whole").read_bytes()
        assert not file.with_name(file.name + ".progress").exists()


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_a_site_moves_from_one_database_to_the_other(command: Command, tmp_path: Path, form: str) -> None:
    small, theirs = Command(f"sqlite:///{tmp_path}/small.db"), command.project()
    mine = small.project()
    tell(small.store, mine, [*visit(), raw("$groupidentify", "acme", "ada", 6, {"seats": 5}, "$set")])
    small.run("export", "--format", form, "--output", tmp_path / "all", project=mine)
    command.run("import", tmp_path / "all", project=theirs)
    assert picture(command.store, theirs) == picture(small.store, mine)
    small.store.close()


def test_an_export_overwrites_nothing(command: Command, tmp_path: Path) -> None:
    (tmp_path / "all").write_text("mine")
    arguments = ["export", "--output", str(tmp_path / "all"), "--database", command.url]
    command.project()
    done = CliRunner().invoke(cli, arguments)
    assert "exists already" in str(done.exception)
    assert (tmp_path / "all").read_text() == "mine"


def test_an_import_believes_what_was_believed_then_whatever_the_project_demands_now(
    command: Command, tmp_path: Path
) -> None:
    mine, strict = command.project(), command.project()
    command.store.set_options(strict.id, {"signed_identities": True})
    tell(command.store, mine, [*visit(), raw("$merge_dangerously", "anon-2", "bob", 5, {}, "$set")])
    command.run("export", "--output", tmp_path / "all", project=mine)
    command.run("import", tmp_path / "all", project=strict)
    assert picture(command.store, strict) == picture(command.store, mine)
    assert "not_allowed" in str(picture(command.store, strict))


def test_what_was_marked_as_verified_comes_back_so_and_nothing_else_does(command: Command, tmp_path: Path) -> None:
    mine, other = command.project(), command.project()
    told = {"signed_identities": True}
    tell(command.store, mine, [raw("$create_alias", "anon-1", "ada", 0, {}, "$set")], **told)
    command.run("export", "--output", tmp_path / "ours", project=mine)
    forged = {"event": "x", "distinct_id": "ada", "uuid": uuid_of(), "properties": {"$verified": True}}
    (tmp_path / "theirs").write_text(json.dumps(forged))
    for name in ("ours", "theirs"):
        command.run("import", tmp_path / name, project=other)
    assert [row.properties.get("$verified") for row in command.store.recent(other.id)] == [None, False]


def test_who_was_deleted_is_not_brought_back_by_an_old_export(command: Command, tmp_path: Path) -> None:
    mine, other = command.project(), command.project()
    tell(command.store, mine, visit())
    command.run("export", "--output", tmp_path / "old", project=mine)
    command.store.corrections.delete(mine.id, "ada", now=NOW + 1000)
    assert "3 forgotten" in command.run("import", tmp_path / "old", project=mine)
    command.run("export", "--output", tmp_path / "new", project=mine)
    assert '"ada"' not in (tmp_path / "new").read_text()
    command.run("import", tmp_path / "new", project=other)
    command.run("import", tmp_path / "old", project=other)
    for project in (mine, other):
        assert command.store.person(project.id, "ada") is None


def test_an_export_from_before_events_expired_is_read_after_a_later_one(command: Command, tmp_path: Path) -> None:
    mine, other = command.project(), command.project()
    tell(command.store, mine, visit())
    before = picture(command.store, mine)
    command.run("export", "--output", tmp_path / "older", project=mine)
    command.store.upkeep.erase_before(mine.id, NOW + 3, limit=10)
    command.run("export", "--output", tmp_path / "newer", project=mine)
    for name in ("newer", "older", "newer"):
        command.run("import", tmp_path / name, project=other)
    command.run("import", tmp_path / "older", project=mine)
    for project in (mine, other):
        assert picture(command.store, project) == before


def test_what_was_redone_since_an_export_stays_redone_when_it_is_read_again(command: Command, tmp_path: Path) -> None:
    mine, other = command.project(), command.project()
    tell(command.store, mine, visit())
    before = picture(command.store, mine)
    merged = command.store.corrections.merge(mine.id, "bob", "ada", now=NOW + 8)
    links = [command.store.explain(mine.id, "anon-2").links[1].id, merged]
    for link in links:
        command.store.corrections.undo(mine.id, link, now=NOW + 9)
    undone = picture(command.store, mine)
    command.run("export", "--output", tmp_path / "all", project=mine)
    for link in links:
        command.store.corrections.redo(mine.id, link)
    redone = picture(command.store, mine)
    command.run("import", tmp_path / "all", project=mine)
    assert picture(command.store, mine) == redone != before
    command.run("import", tmp_path / "all", project=other)
    assert picture(command.store, other) == undone


@pytest.mark.parametrize("read", range(1, 12))
def test_an_import_that_broke_off_is_begun_again(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: int
) -> None:
    mine, other = command.project(), command.project()
    tell(command.store, mine, visit())
    command.store.corrections.undo(mine.id, command.store.explain(mine.id, "anon-1").links[0].id, now=NOW + 9)
    command.run("export", "--output", tmp_path / "all", project=mine)
    monkeypatch.setattr(archive_cli, "PAGE", 1)
    stored = 0

    def fail(*given: Any, real: Any = archive_cli.store_found) -> Any:
        nonlocal stored
        stored += 1
        return real(*given) if stored < read else 1 / 0

    with monkeypatch.context() as patch:
        patch.setattr(archive_cli, "store_found", fail)
        with pytest.raises(ZeroDivisionError):
            command.run("import", tmp_path / "all", project=other)
    command.run("import", tmp_path / "all", project=other)
    assert picture(command.store, other) == picture(command.store, mine)


def test_the_terminal_takes_an_export_too(command: Command) -> None:
    mine = command.project()
    tell(command.store, mine, visit())
    records = [json.loads(line) for line in command.run("export", project=mine).splitlines()]
    assert [one["record"] for one in records].count("event") == 4
    rows = list(csv.DictReader(command.run("export", "--format", "csv", project=mine).splitlines()))
    assert [row["event"] for row in rows if row["record"] == "event"] == ["x", "$identify", "$identify", "$identify"]
    assert {row["person_id"] for row in rows if row["distinct_id"] in ("ada", "anon-1") and row["record"] == "event"}


def shapes(events: list[dict[str, Any]]) -> dict[str, bytes]:
    """The same events as every kind of file that is read."""
    lines = "\n".join(json.dumps(one) for one in events)
    celled = [{**one, "properties": json.dumps(one["properties"])} for one in events]
    halves = [{"api_key": "x", "batch": events[:2]}, {"api_key": "x", "batch": events[2:], "sent_at": "2026-11-24"}]
    return {
        "ndjson": lines.encode(),
        "gzip": gzip.compress(lines.encode()),
        "a list": json.dumps(events).encode(),
        "a list, indented": json.dumps(events, indent=2).encode(),
        "batches": "\n".join(json.dumps(one) for one in halves).encode(),
        "a list of batches": json.dumps(halves, indent=1).encode(),
        "a page of the API": json.dumps({"results": events, "next": None}).encode(),
        "properties in text": "\n".join(json.dumps(one) for one in celled).encode(),
        "csv": _csv(celled),
        "csv with a column for each property": _csv(
            [
                {
                    "uuid": one["uuid"],
                    "event": one["event"],
                    "distinct_id": one["distinct_id"],
                    "timestamp": one["timestamp"],
                }
                | {f"properties.{name}": value for name, value in one["properties"].items() if name != "$set"}
                | {"set": json.dumps(one["properties"]["$set"])}
                for one in events
            ]
        ),
    }


def _csv(rows: list[dict[str, Any]]) -> bytes:
    import io

    text = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, names)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


EVENTS = visit()


@pytest.mark.parametrize("shape", list(shapes(EVENTS)))
def test_the_same_events_end_in_the_same_persons_whatever_the_file(
    command: Command, tmp_path: Path, shape: str
) -> None:
    told, read = command.project(), command.project()
    tell(command.store, told, EVENTS)
    (tmp_path / "file").write_bytes(shapes(EVENTS)[shape])
    for _ in range(2):
        command.run("import", tmp_path / "file", project=read)
        expected, found = picture(command.store, told), picture(command.store, read)
        del expected["events"], found["events"]
        assert found == expected


def test_events_without_a_uuid_are_imported_once(command: Command, tmp_path: Path) -> None:
    mine = command.project()
    event = {"event": "x", "distinct_id": "ada", "timestamp": "2026-11-23T22:00:00Z"}
    (tmp_path / "file").write_text(json.dumps([event, event, {**event, "event": "y"}]))
    assert command.run("import", tmp_path / "file", project=mine).startswith("3 events stored")
    assert command.run("import", tmp_path / "file", project=mine).startswith("0 events stored, 3 were there")


PERSON = {"created_at": "2026-11-01T00:00:00Z", "properties": {"plan": "old", "city": "Turin"}}


@pytest.mark.parametrize(
    "rows",
    [
        [
            {**PERSON, "uuid": "p1", "distinct_ids": ["anon-1", "ada", "anon-2"], "is_identified": True},
            {**PERSON, "id": 2, "distinct_ids": ["bob"]},
        ],
        [{**PERSON, "person_id": "p1", "distinct_id": one} for one in ("anon-1", "ada", "anon-2")]
        + [{**PERSON, "person_id": "p2", "distinct_id": "bob"}],
        [
            {
                **PERSON,
                "properties": json.dumps(PERSON["properties"]),
                "person_id": "p1",
                "distinct_id": one,
                "is_deleted": False,
            }
            for one in ("ada", "anon-2", "anon-1")
        ],
    ],
    ids=["a row per person", "a row per id", "a row per id, properties in text"],
)
@pytest.mark.parametrize("persons_first", [True, False])
def test_posthogs_persons_are_persons_here(
    command: Command, tmp_path: Path, rows: list[dict[str, Any]], persons_first: bool
) -> None:
    mine = command.project()
    events = [EVENTS[0], EVENTS[2]]  # nothing in them says that anon-1 is Ada
    for lines in (rows, events) if persons_first else (events, rows):
        (tmp_path / "file").write_text("\n".join(json.dumps(one) for one in lines))
        command.run("import", tmp_path / "file", project=mine)
    ada = command.store.person(mine.id, "anon-1")
    assert sorted(ada.distinct_ids) == ["ada", "anon-1", "anon-2"]
    assert (ada.distinct_ids[0] == "ada", ada.is_identified) == (True, True) or rows[0].get("is_identified")
    assert ada.properties == {"plan": "pro", "city": "Turin"}, "what an event said later counts"


def test_what_cannot_be_read_is_skipped_and_said(command: Command, tmp_path: Path) -> None:
    mine = command.project()
    lines = [
        json.dumps(EVENTS[0]),
        '{"event": "x"}',
        '{"broken',
        "7",
        "null",
        '{"record": "id"}',
        json.dumps(EVENTS[1]),
    ]
    (tmp_path / "file").write_text("\n".join(lines))
    said = command.run("import", tmp_path / "file", project=mine)
    assert said.startswith("2 events stored")
    assert "no distinct_id" in said


@pytest.mark.parametrize("shape", [lambda all: all, lambda all: {"batch": all}, lambda all: {"results": all}])
def test_one_unusable_event_costs_its_list_nothing(command: Command, tmp_path: Path, shape: Any) -> None:
    mine = command.project()
    unusable = [{"event": "x"}, 7, {"event": "", "distinct_id": "ada", "properties": {"secret": 1}}, {"batch": None}]
    (tmp_path / "file").write_text(json.dumps(shape([EVENTS[0], *unusable, EVENTS[1]])))
    said = command.run("import", tmp_path / "file", project=mine)
    assert said.startswith("2 events stored")
    assert "no event name" in said
    assert "secret" not in str([one.properties for one in command.store.people(mine.id)])


def test_posthogs_persons_are_not_glued_by_junk_nor_parted_by_long_ids(command: Command, tmp_path: Path) -> None:
    mine = command.project()
    long = "a" * 250
    rows = [
        {"id": "p1", "distinct_ids": ["unknown", "ada", long], "properties": {"plan": "pro"}, "is_identified": True},
        {"id": "p2", "distinct_ids": ["bob", "unknown"], "properties": {"plan": "free"}},
    ]
    events = [{"event": "x", "distinct_id": one, "uuid": uuid_of()} for one in ("unknown", "bob", long)]
    (tmp_path / "file").write_text("\n".join(json.dumps(one) for one in [*rows, *events]))
    command.run("import", tmp_path / "file", project=mine)
    assert sorted(command.store.person(mine.id, "ada").distinct_ids) == ["a" * 200, "ada"]
    assert command.store.person(mine.id, "ada").event_count == 1
    assert command.store.person(mine.id, "bob").properties == {"plan": "free"}
    assert command.store.person(mine.id, "unknown").properties == {}


def test_what_happened_within_a_millisecond_stays_in_order(command: Command, tmp_path: Path) -> None:
    mine, again = command.project(), command.project()
    # As posthog-python sends them: microseconds, and random uuids, which say nothing.
    said = [
        (100, "f" * 8, {"plan": 1, "$lang": 1}),
        (200, "e" * 8, {"plan": 2}),
        (900, "0" * 8, {"plan": 3, "$lang": 3}),
    ]
    events = [
        {
            "event": "$set",
            "distinct_id": "ada",
            "uuid": start + uuid_of()[8:],
            "timestamp": f"2026-11-23T22:00:00.123{micros}+00:00",
            "properties": {"$set": bag, "$set_once": {"first": micros, "$initial_url": micros}},
        }
        for micros, start, bag in said
    ]
    tell(command.store, mine, events[::-1])
    command.run("export", "--output", tmp_path / "all", project=mine)
    command.run("import", tmp_path / "all", project=again)
    for project in (mine, again):
        found = command.store.person(project.id, "ada").properties
        assert found == {"plan": 3, "$lang": 3, "first": 100, "$initial_url": 100}
        origins = command.store.origins(project.id, "ada")
        assert {origins[name].event for name in found} == {"$set"}
    assert picture(command.store, again) == picture(command.store, mine)


def test_an_export_does_not_go_on_with_another(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other, file = command.project(), command.project(), tmp_path / "all"
    tell(command.store, mine, visit())
    with monkeypatch.context() as patch:
        patch.setattr(archive_cli, "keep", lambda *given, real=archive_cli.keep: [real(*given), 1 / 0])
        with pytest.raises(ZeroDivisionError):
            command.run("export", "--output", file, project=mine)
    for project, form in ((other, "ndjson"), (mine, "csv")):
        with pytest.raises(Misconfigured, match="begun as ndjson of project"):
            command.run("export", "--format", form, "--output", file, project=project)
    command.run("export", "--output", file, project=mine)
    assert not (tmp_path / "all.progress").exists()


def test_a_record_and_its_row_of_csv_hold_the_same() -> None:
    record = {"record": "event", "properties": {"a": [1]}, "fact": {"kind": "claim"}, "number": 3}
    row = archive.csv_row(record)
    assert json.loads(row["properties"]) == {"a": [1]}
    assert json.loads(row["more"]) == {"fact": {"kind": "claim"}}
