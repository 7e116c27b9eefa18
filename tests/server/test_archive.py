"""Export and import of our own files: everything comes back."""

from __future__ import annotations

import csv
import gzip
import json
import os
import pty
import random
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from beknown_server import archive, archive_cli
from beknown_server.cli import cli
from beknown_server.errors import Misconfigured
from beknown_server.options import DEFAULTS
from beknown_server.store import Project, Store
from click.testing import CliRunner
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from .archives import IDS, Command, picture, raw, tell, visit
from .conftest import COMMAND, NOW, uuid_of

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
RETURNS = [("$identify", "anon-1", "re\rturn", 0, {"a": "\r"}, "$set"), ("x", "", "re\rturn", 1, {}, "$set")]


@pytest.fixture(scope="module")
def command(either_database: str) -> Iterator[Command]:
    made = Command(either_database)
    yield made
    made.store.close()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SAID, st.randoms(), st.sampled_from(["ndjson", "csv"]), st.integers(1, 5))
@example(RETURNS, random.Random(1), "ndjson", 2)
@example(RETURNS, random.Random(1), "csv", 2)
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


def everything(store: Store, project: Project) -> None:
    """Tell so much that every section of an export has several records."""
    seats = [raw("$groupidentify", f"firm-{n}", "ada", 6 + n, {"seats": n}, "$set") for n in range(3)]
    tell(store, project, [*visit(), *seats, *(raw("x", "", f"id-{n}", n, {"n": n}, "$set") for n in range(9))])
    for n in range(3):
        store.corrections.delete(project.id, f"id-{n}", now=NOW + 1000)
        store.corrections.merge(project.id, f"id-{n + 3}", "bob", now=NOW + 1000)


def records(file: Path) -> list[dict[str, Any]]:
    if file.read_bytes()[:1] == b"{":
        return [json.loads(line) for line in file.read_text().splitlines()]
    return list(csv.DictReader(file.read_text().splitlines()))


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_an_export_that_broke_off_goes_on_where_it_stopped(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    mine = command.project()
    everything(command.store, mine)
    monkeypatch.setattr(archive_cli, "PAGE", 2)
    command.run("export", "--format", form, "--output", tmp_path / "whole", project=mine)
    found = Counter(one["record"] for one in records(tmp_path / "whole"))
    assert all(found[name] > 1 for name in ("event", "id", "fact", "group", "forgotten"))
    written = 99
    for broken in range(99):
        if broken >= written > 0:
            break
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
            with suppress(OSError):
                command.run("export", "--format", form, "--output", file, project=mine)
        if written > broken:
            command.run("export", "--format", form, "--output", file, project=mine)
        assert file.read_bytes() == (tmp_path / "whole").read_bytes()
        assert not file.with_name(file.name + ".progress").exists()


def broken_off(command: Command, project: Project, file: Path) -> None:
    """Leave an export after its first page."""

    def fail(progress: Path, state: dict[str, Any], real: Any = archive_cli.keep) -> None:
        real(progress, state)
        if state.get("section") == "event":
            raise OSError("the disk is full")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive_cli, "PAGE", 2)
        patch.setattr(archive_cli, "keep", fail)
        with pytest.raises(OSError, match="full"):
            command.run("export", "--output", file, project=project)


@pytest.mark.parametrize("left", [None, b"", b'{"record'])
def test_an_export_whose_file_is_not_there_any_more_begins_anew(
    command: Command, tmp_path: Path, left: bytes | None
) -> None:
    mine, file = command.project(), tmp_path / "all"
    everything(command.store, mine)
    broken_off(command, mine, file)
    file.unlink()
    if left is not None:
        file.write_bytes(left)
    command.run("export", "--output", file, project=mine)
    command.run("export", "--output", tmp_path / "whole", project=mine)
    assert file.read_bytes() == (tmp_path / "whole").read_bytes()


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_who_is_deleted_while_an_export_runs_is_not_brought_back_by_it(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    mine, other = command.project(), command.project()
    tell(command.store, mine, [*visit(), raw("x", "", "cy", 4, {}, "$set")])

    def write(self: Any, records: Any, real: Any = archive_cli.Target.write) -> None:
        real(self, records)
        for name in ("ada", "cy"):
            if records[0]["record"] == "event" and command.store.person(mine.id, name):
                command.store.corrections.delete(mine.id, name, now=NOW + 1000)

    with monkeypatch.context() as patch:
        patch.setattr(archive_cli.Target, "write", write)
        command.run("export", "--format", form, "--output", tmp_path / "all", project=mine)
    assert "cy" in (tmp_path / "all").read_text()
    assert "5 forgotten" in command.run("import", tmp_path / "all", project=other)
    assert [command.store.person(other.id, name) for name in ("ada", "anon-1", "cy")] == [None] * 3


def test_who_is_deleted_before_an_export_goes_on_is_not_brought_back_by_it(command: Command, tmp_path: Path) -> None:
    mine, other = command.project(), command.project()
    tell(command.store, mine, visit())
    broken_off(command, mine, tmp_path / "all")
    command.store.corrections.delete(mine.id, "ada", now=NOW + 1000)
    command.run("export", "--output", tmp_path / "all", project=mine)
    assert "ada" in (tmp_path / "all").read_text()
    command.run("import", tmp_path / "all", project=other)
    assert command.store.person(other.id, "ada") is None


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_groups_come_back_also_when_their_events_have_expired(command: Command, tmp_path: Path, form: str) -> None:
    store, mine, other = command.store, command.project(), command.project()

    def seats(at: int, **bag: Any) -> dict[str, Any]:
        return raw("$groupidentify", "acme", "ada", at, bag, "$set")

    blue = {"event": "x", "distinct_id": "ada", "uuid": uuid_of(), "properties": {"$groups": {"team": "blue"}}}
    tell(store, mine, [seats(5, seats=5, city="Turin"), seats(9, seats=9), {**blue, "timestamp": str(NOW + 7)}])
    store.upkeep.erase_before(mine.id, NOW + 100, limit=100)
    assert store.recent(mine.id) == []
    command.run("export", "--format", form, "--output", tmp_path / "all", project=mine)
    for _ in range(2):
        command.run("import", tmp_path / "all", project=other)
        assert store.groups.known(other.id) == store.groups.known(mine.id)
    assert [(one.key, one.first_seen, one.last_seen) for one in store.groups.known(other.id)] == [
        ("acme", NOW + 5, NOW + 9),
        ("blue", NOW + 7, NOW + 7),
    ]
    tell(store, other, [seats(7, seats=7, city="Rome", plan="pro")])  # late for the seats, not for the city
    assert store.groups.known(other.id)[0].properties == {"seats": 9, "city": "Rome", "plan": "pro"}


def test_an_import_says_for_which_groups_a_project_has_no_room(command: Command, tmp_path: Path) -> None:
    store, mine, other, full = command.store, command.project(), command.project(), command.project()
    acme = raw("$groupidentify", "acme", "ada", 5, {"seats": 5}, "$set")
    tell(store, mine, [acme])
    for n in range(5):
        more = {"$group_type": f"type {n}", "$group_key": "k"}
        tell(store, full, [{**acme, "uuid": uuid_of(), "properties": more}])
    command.run("export", "--output", tmp_path / "all", project=mine)
    assert "skipped" not in command.run("import", tmp_path / "all", project=other)
    # The group, and the event that would have made it.
    assert "2 skipped: no room for groups of another type: company." in command.run(
        "import", tmp_path / "all", project=full
    )
    assert [row.uuid for row in store.recent(full.id, limit=1)] == [acme["uuid"]]
    assert store.groups.known(full.id, type="company") == []


ODD = [
    {"record": "forgotten", "hash": "no hash", "at": "2026-11-23"},
    {"record": "forgotten", "hash": "abcd", "at": "2026-11-23"},
    {"record": "forgotten", "hash": 7, "at": "2026-11-23"},
    {"record": "id", "distinct_id": ["ada"], "first_seen": "2026-11-23", "last_seen": "2026-11-23", "personal": True},
    {"record": "fact", "uuid": "no uuid", "kind": "claim", "x": "a", "y": "b", "at": "2026-11-23"},
    {"record": "fact", "uuid": uuid_of(), "kind": "marriage", "x": "a", "y": "b", "at": "2026-11-23"},
    {"record": "fact", "uuid": uuid_of(), "kind": "claim", "x": "a\0", "y": "b", "at": "2026-11-23"},
    {"record": "fact", "uuid": uuid_of(), "kind": "claim", "x": "a" * 201, "y": "b", "at": "2026-11-23"},
    {"record": "event", "uuid": uuid_of(), "event": "x", "distinct_id": "a", "timestamp": "2026-11-23", "fact": "x"},
    {"record": "event", "uuid": uuid_of(), "event": "x", "distinct_id": "a", "timestamp": "never"},
    {"record": "event", "uuid": ["x"], "event": "x", "distinct_id": "a", "timestamp": "2026-11-23"},
    {"record": "group", "type": "company", "key": "acme", "written": [], "first_seen": None, "last_seen": None},
    {"record": "nonsense"},
    {"record": "project", "name": "Shop"},
    {"record": "project", "name": "Shop", "options": "none"},
    {"record": "project", "name": "Shop", "options": {"timezone": "Nowhere", "week_start": "monday"}},
    *(
        {**about, "first_seen": "2026-11-23", "last_seen": "2026-11-23", "written": [written]}
        for about in (
            {"record": "id", "distinct_id": "odd", "personal": True},
            {"record": "group", "type": "company", "key": "odd"},
        )
        for written in (
            ["set", "plan", "pro", "2026-11-23", "no uuid", False],
            ["set", "plan", "pro", "never", uuid_of(), False],
            ["set", "plan\0", "pro", "2026-11-23", uuid_of(), False],
            ["often", "plan", "pro", "2026-11-23", uuid_of(), False],
            ["set"],
            7,
        )
    ),
]


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_an_odd_record_costs_itself_only(command: Command, tmp_path: Path, form: str) -> None:
    mine, file = command.project(), tmp_path / "file"
    records = [archive.event_record(row, None) for row in told(command)]
    lines: list[dict[str, Any]] = [records[0], *ODD, records[1]]
    if form == "ndjson":
        file.write_text("\n".join(json.dumps(one) for one in lines))
    else:
        with file.open("w", newline="") as opened:
            rows = csv.DictWriter(opened, archive.CSV)
            rows.writeheader()
            rows.writerows(archive.csv_row(one) for one in lines)
    said = command.run("import", file, project=mine)
    assert said.startswith("2 events stored")
    assert sum(int(count) for count in re.findall(r"^(\d+) skipped", said, re.MULTILINE)) == len(ODD)
    assert (command.store.person(mine.id, "odd"), command.store.groups.known(mine.id)) == (None, [])


def told(command: Command) -> list[Any]:
    project = command.project()
    tell(command.store, project, visit()[:2])
    return command.store.recent(project.id)


CHOICES = {
    "timezone": "Europe/Berlin",
    "week_start": "monday",
    "origins": ["https://shop.example", "*.shop.example"],
    "retention_days": 36_500,
    "signed_identities": True,
    "merge_dangerously": True,
}


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_an_export_tells_what_the_project_had_chosen_and_an_import_how_to_choose_the_same(
    command: Command, tmp_path: Path, form: str
) -> None:
    store, mine, other = command.store, command.project(), command.project()
    tell(store, mine, visit())
    store.set_options(mine.id, CHOICES)
    command.run("export", "--format", form, "--output", tmp_path / "all", project=mine)
    head = records(tmp_path / "all")[0]
    told = head if form == "ndjson" else json.loads(head["more"])
    assert (head["record"], told["name"], told["options"]) == ("project", mine.name, CHOICES)
    assert "bk_" not in (tmp_path / "all").read_text(), "a key is a secret"
    last = command.run("import", tmp_path / "all", project=other).splitlines()[-1]
    assert all(name in last for name in CHOICES)
    assert options_of(store, other) == {}, "an import chooses nothing by itself"
    choose(command, last)
    assert options_of(store, other) == CHOICES
    assert "choose" not in command.run("import", tmp_path / "all", project=other)
    store.set_options(mine.id, {"signed_identities": True})
    command.run("export", "--format", form, "--output", tmp_path / "fewer", project=mine)
    choose(command, command.run("import", tmp_path / "fewer", project=other).splitlines()[-1])
    assert options_of(store, other) == {**DEFAULTS, "signed_identities": True}


def options_of(store: Store, project: Project) -> dict[str, Any]:
    return next(one.options for one in store.projects() if one.id == project.id)


def choose(command: Command, sentence: str) -> None:
    """Do what a sentence advises."""
    for words in re.findall("`(.+?)`", sentence):
        program, *arguments = shlex.split(words)
        done = CliRunner().invoke(cli, [*arguments, "--database", command.url], catch_exceptions=False)
        assert (program, done.exit_code) == ("beknown", 0), done.output


def test_an_export_from_before_it_told_of_the_project_is_imported_as_it_was(command: Command, tmp_path: Path) -> None:
    mine, other = command.project(), command.project()
    tell(command.store, mine, visit())
    command.store.set_options(mine.id, CHOICES)
    command.run("export", "--output", tmp_path / "all", project=mine)
    (tmp_path / "old").write_text((tmp_path / "all").read_text().partition("\n")[2])
    said = command.run("import", tmp_path / "old", project=other)
    assert picture(command.store, other) == picture(command.store, mine)
    assert "choose" not in said
    assert "skipped" not in said


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


def test_an_export_does_not_go_on_with_another(command: Command, tmp_path: Path) -> None:
    mine, other, file = command.project(), command.project(), tmp_path / "all"
    tell(command.store, mine, visit())
    broken_off(command, mine, file)
    for project, form in ((other, "ndjson"), (mine, "csv")):
        with pytest.raises(Misconfigured, match="begun as ndjson of project"):
            command.run("export", "--format", form, "--output", file, project=project)
    command.run("export", "--output", file, project=mine)
    assert not (tmp_path / "all.progress").exists()


def test_an_export_into_a_pipe_shows_how_far_it_is(command: Command) -> None:
    mine = command.project()
    tell(command.store, mine, visit())
    written, shown = on_a_terminal(command, "export", project=mine)
    assert "Export" in shown
    assert "100%" in shown
    assert [json.loads(line)["record"] for line in written.splitlines()].count("event") == 4


def test_an_export_into_a_file_and_an_import_show_how_far_they_are(command: Command, tmp_path: Path) -> None:
    mine, other = command.project(), command.project()
    tell(command.store, mine, visit())
    for words, project in ((["export", "--output", tmp_path / "all"], mine), (["import", tmp_path / "all"], other)):
        _, shown = on_a_terminal(command, *words, project=project)
        assert str(words[0]).capitalize() in shown
        assert "100%" in shown
    assert picture(command.store, other) == picture(command.store, mine)


def on_a_terminal(command: Command, *words: Any, project: Project) -> tuple[bytes, str]:
    """Run a command whose notices go to a terminal; give what it writes, and what the terminal shows."""
    terminal, inner = pty.openpty()
    arguments = [*COMMAND, *map(str, words), "--project", str(project.id), "--database", command.url]
    done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=inner, check=True)
    os.close(inner)  # so that reading ends
    shown = os.read(terminal, 10_000).decode()
    os.close(terminal)
    return done.stdout, shown


AT_ONCE = """
from beknown_server import archive_cli, cli
archive_cli.PAGE = 9  # so that each finds some of what the other reads
print(flush=True)
input()  # until both have started
cli.main()
"""


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_a_file_that_two_import_at_once_is_there_once(command: Command, tmp_path: Path, form: str) -> None:
    mine, other = command.project(), command.project()
    tell(command.store, mine, [*visit(), raw("$groupidentify", "acme", "ada", 6, {"seats": 5}, "$set")])
    tell(command.store, mine, [raw("x", "", IDS[n % 4], 10 + n, {"n": n}, "$set") for n in range(300)])
    command.store.corrections.merge(mine.id, "bob", "ada", now=NOW + 1000)
    command.run("export", "--format", form, "--output", tmp_path / "all", project=mine)
    words = [sys.executable, "-c", AT_ONCE, "import", tmp_path / "all", "--project", str(other.id)]
    words += ["--database", command.url]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    both = [subprocess.Popen(words, text=True, bufsize=1, **pipes) for _ in range(2)]
    assert [one.stdout.readline() for one in both] == ["\n", "\n"]
    for one in both:
        one.stdin.write("\n")
    said = [one.communicate(timeout=60)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    counts = [[int(count) for count in re.findall(r"\d+", out)[:2]] for out in said]
    assert sum(stored for stored, _ in counts) == 305
    assert [stored + repeated for stored, repeated in counts] == [305, 305]
    assert picture(command.store, other) == picture(command.store, mine)


def test_a_record_and_its_row_of_csv_hold_the_same() -> None:
    record = {"record": "event", "properties": {"a": [1]}, "fact": {"kind": "claim"}, "number": 3}
    row = archive.csv_row(record)
    assert json.loads(row["properties"]) == {"a": [1]}
    assert json.loads(row["more"]) == {"fact": {"kind": "claim"}}


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_an_export_that_is_not_whole_is_not_imported(command: Command, tmp_path: Path, form: str) -> None:
    mine, theirs, file = command.project(), command.project(), tmp_path / "all"
    tell(command.store, mine, visit())
    command.store.corrections.delete(mine.id, "bob", now=NOW)
    command.run("export", "--format", form, "--output", file, project=mine)
    whole = file.read_bytes()
    assert b"end" in whole.splitlines()[-1]
    for cut in (len(whole) // 2, whole.rindex(b"end") - 20):
        for part in (whole[:cut], gzip.compress(whole)[:-20], gzip.compress(whole[:cut])):
            file.write_bytes(part)
            _, why = command.refused("import", file, project=theirs)
            assert "is not whole" in why
    assert command.store.recent(theirs.id) == []
    file.write_bytes(whole)
    command.run("import", file, project=theirs)
    assert picture(command.store, theirs) == picture(command.store, mine)


def test_an_older_export_that_was_gzipped_and_cut_is_not_imported_either(command: Command, tmp_path: Path) -> None:
    mine, file = command.project(), tmp_path / "file.gz"
    record = archive.event_record(told(command)[0], None)
    zipped = gzip.compress(b"\n".join(json.dumps({**record, "uuid": uuid_of()}).encode() for _ in range(99)))
    file.write_bytes(zipped[: len(zipped) // 2])
    _, why = command.refused("import", file, project=mine)
    assert "is not whole" in why
    assert command.store.recent(mine.id) == []
