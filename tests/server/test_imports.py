"""Imports: PostHog's exports, lists of events and batches, and what an odd line or a file that is cut off costs."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from beknown_server.lines import Lines
from beknown_server.store import Project, clusters

from .archives import Command, picture, tell, visit
from .conftest import uuid_of


@pytest.fixture(scope="module")
def command(either_database: str) -> Iterator[Command]:
    made = Command(either_database)
    yield made
    made.store.close()


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
SHAPES = {
    "a row per person": [
        {**PERSON, "uuid": "p1", "distinct_ids": ["anon-1", "ada", "anon-2"], "is_identified": True},
        {**PERSON, "id": 2, "distinct_ids": ["bob"]},
    ],
    "a row per id": [{**PERSON, "person_id": "p1", "distinct_id": one} for one in ("anon-1", "ada", "anon-2")]
    + [{**PERSON, "person_id": "p2", "distinct_id": "bob"}],
    "a row per id, properties in text": [
        {
            **PERSON,
            "properties": json.dumps(PERSON["properties"]),
            "person_id": "p1",
            "distinct_id": one,
            "is_deleted": False,
        }
        for one in ("ada", "anon-2", "anon-1")
    ],
}


@pytest.mark.parametrize("shape", list(SHAPES))
@pytest.mark.parametrize("persons_first", [True, False])
def test_posthogs_persons_are_persons_here(command: Command, tmp_path: Path, shape: str, persons_first: bool) -> None:
    mine, rows = command.project(), SHAPES[shape]
    events = [EVENTS[0], EVENTS[2]]  # nothing in them says that anon-1 is Ada
    for lines in (rows, events) if persons_first else (events, rows):
        (tmp_path / "file").write_text("\n".join(json.dumps(one) for one in lines))
        command.run("import", tmp_path / "file", project=mine)
    ada = command.store.person(mine.id, "anon-1")
    assert ada.distinct_ids[0] == "ada"
    assert sorted(ada.distinct_ids) == ["ada", "anon-1", "anon-2"]
    assert ada.is_identified
    assert ada.properties == {"plan": "pro", "city": "Turin"}, "what an event said later counts"


V7, V4, OLD = "019abcde-0000-7000-8000-000000000001", "3f2504e0-4f89-41d3-9a0c-0305e82c3301", "17cff-02e1-0a-1fa40-17f"


@pytest.mark.parametrize(
    ("ids", "user"),
    [
        ([V7, "ada", OLD], "ada"),
        ([V7, V4], V4),
        ([OLD, V7, V4], V4),
        ([V7.upper(), "4711"], "4711"),
        (["$device:1", "guest_7", "ada"], "ada"),
        (["unknown", V7, "ada"], "ada"),
        (["ada", "bob"], "ada"),
        ([V7, OLD], V7),
    ],
)
def test_of_posthogs_identified_persons_the_id_that_looks_least_like_a_devices_is_the_user(
    command: Command, tmp_path: Path, ids: list[str], user: str
) -> None:
    mine = command.project()
    row = {**PERSON, "uuid": "p1", "distinct_ids": ids, "is_identified": "True"}
    (tmp_path / "file").write_text(json.dumps(row))
    command.run("import", tmp_path / "file", project=mine)
    found = command.store.person(mine.id, ids[-1])
    assert (found.distinct_ids[0], found.is_identified) == (user, True)
    later = {"event": "$identify", "distinct_id": "cy", "properties": {"$anon_distinct_id": ids[-1]}}
    tell(command.store, mine, [later])
    assert command.store.person(mine.id, "cy").distinct_ids == ["cy"], "whoever is a user already is joined to nobody"


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


def line(**properties: Any) -> bytes:
    return json.dumps({"event": "x", "distinct_id": "ada", "uuid": uuid_of(), "properties": properties}).encode()


BOM = b"\xef\xbb\xbf"
ODD = {  # the line, how many events it brings, how many lines are skipped
    "broken": (b'{"broken', 0, 1),
    "the end of a line": (b'lug": "pro"}}', 0, 1),
    "a list that is not ended": (b"[", 0, 1),
    "a number": (b"7", 0, 1),
    "a text": (b'"7"', 0, 1),
    "blank": (b"", 0, 0),
    "blanks": (b" \t", 0, 0),
    "a mark of the byte order": (BOM, 0, 0),
    "a mark of the byte order before an event": (BOM + line(), 1, 0),
    "not a number": (line(price=float("nan")), 1, 0),
    "half an emoji": (line(title="\ud83d"), 1, 0),
    "Latin-1": (line(city="Z#rich").replace(b"#", b"\xfc"), 1, 0),
}


@pytest.mark.parametrize("odd", list(ODD))
@pytest.mark.parametrize("place", [0, 3, 5])
def test_an_odd_line_costs_itself_only_wherever_it_stands(
    command: Command, tmp_path: Path, odd: str, place: int
) -> None:
    mine, lines = command.project(), [line() for _ in range(5)]
    text, brings, skipped = ODD[odd]
    lines.insert(place, text)
    (tmp_path / "file").write_bytes(b"\n".join(lines))
    said = command.run("import", tmp_path / "file", project=mine)
    assert said.startswith(f"{5 + brings} events stored")
    assert said.count(" skipped: ") == skipped
    if odd == "Latin-1":
        assert "Z\ufffdrich" in [row.properties.get("city") for row in command.store.recent(mine.id)]


@pytest.mark.parametrize("odd", [name for name, (_, brings, _) in ODD.items() if not brings])
def test_an_odd_line_does_not_cost_the_one_after_it_either(command: Command, tmp_path: Path, odd: str) -> None:
    (tmp_path / "file").write_bytes(ODD[odd][0] + b"\n" + line())
    assert command.run("import", tmp_path / "file", project=command.project()).startswith("1 events stored")


@pytest.mark.parametrize("head", [BOM, b"\n", BOM + b"\r\n \n"])
@pytest.mark.parametrize("shape", list(shapes(EVENTS)))
def test_a_mark_of_the_byte_order_and_blank_lines_cost_no_file_anything(
    command: Command, tmp_path: Path, shape: str, head: bytes
) -> None:
    written = shapes(EVENTS)[shape]
    zipped = shape == "gzip"
    written = gzip.compress(head + gzip.decompress(written)) if zipped else head + written
    (tmp_path / "file").write_bytes(written)
    said = command.run("import", tmp_path / "file", project=command.project())
    assert said.startswith(f"{len(EVENTS)} events stored")
    assert "skipped" not in said


def test_a_list_with_an_event_in_each_line_is_one_document(command: Command, tmp_path: Path) -> None:
    for glue in (b",\n", b"\n,"):
        for count in (1, 3):
            (tmp_path / "file").write_bytes(b"[\n" + glue.join(line() for _ in range(count)) + b"\n]\n")
            said = command.run("import", tmp_path / "file", project=command.project())
            assert said.startswith(f"{count} events stored")
            assert "skipped" not in said


def test_only_one_document_is_read_whole() -> None:
    class File(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if size != 2:  # which tells whether it is gzipped
                raise MemoryError
            return super().read(size)

    for first in (b'{"broken', b"7", b"[", line(price=float("nan")), BOM):
        lines = [first, line(), b'{"broken', line(), b"}", line()]
        assert list(Lines(File(b"\n".join(lines)))) == [one for one in lines if one != BOM]


@pytest.mark.parametrize("shape", ["ndjson", "csv"])
def test_of_a_gzipped_file_that_is_cut_off_what_comes_before_is_read(
    command: Command, tmp_path: Path, shape: str
) -> None:
    mine, events = command.project(), [{**EVENTS[0], "uuid": uuid_of()} for _ in range(300)]
    zipped = gzip.compress(shapes(events)[shape])
    read = cut_off(command, mine, tmp_path / "file.gz", zipped[: len(zipped) // 2])
    stored = command.store.recent(mine.id, limit=1000)
    assert read - (shape == "csv") - len(stored) in (0, 1)
    assert 0 < len(stored) < 300
    assert {row.distinct_id for row in stored} == {EVENTS[0]["distinct_id"]}
    (tmp_path / "file.gz").write_bytes(zipped)
    said = command.run("import", tmp_path / "file.gz", project=mine)
    assert said.startswith(f"{300 - len(stored)} events stored, {len(stored)} were there")


def cut_off(command: Command, project: Project, file: Path, written: bytes) -> int:
    """Give how many lines an import says there were before the damage."""
    file.write_bytes(written)
    told, why = command.refused("import", file, project=project)
    assert " events stored" in told
    (lines,) = re.findall(rf"{file.name} is cut off or damaged after ([\d,]+) lines", why)
    return int(lines.replace(",", ""))


@pytest.mark.parametrize("damage", ["but two bytes", "in its middle", "at its end"])
def test_a_gzipped_file_that_is_damaged_raises_nothing_of_pythons(
    command: Command, tmp_path: Path, damage: str
) -> None:
    mine, zipped = command.project(), gzip.compress(shapes(EVENTS)["a list, indented"])
    middle = len(zipped) // 2
    written = {
        "but two bytes": zipped[:2],
        "in its middle": zipped[:middle] + b"\xff" * 99 + zipped[middle:],
        "at its end": zipped[:-8] + bytes(8),
    }
    assert (cut_off(command, mine, tmp_path / "file.gz", written[damage]) > 9) == (damage == "at its end")


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


def test_the_ids_of_a_person_are_linked_in_order_so_that_none_replays_the_others(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replayed(*given: Any, real: Any = clusters.replay_around) -> Any:
        late.append(given)
        return real(*given)

    late: list[Any] = []
    monkeypatch.setattr(clusters, "replay_around", replayed)
    mine, ids = command.project(), ["ada", *(f"anon-{n}" for n in range(30))]
    row = {**PERSON, "uuid": "p1", "distinct_ids": ids, "is_identified": True}
    (tmp_path / "file").write_text(json.dumps(row))
    command.run("import", tmp_path / "file", project=mine)
    ada = command.store.person(mine.id, "ada")
    assert (ada.distinct_ids[0], len(ada.distinct_ids), ada.is_identified) == ("ada", 31, True)
    assert late == []


def test_a_csv_with_a_column_for_each_property_tells_of_persons_too(command: Command, tmp_path: Path) -> None:
    mine = command.project()
    event = {"event": "$identify", "distinct_id": "ada", "properties.$anon_distinct_id": "anon-1"}
    told = {
        "properties.$set": json.dumps({"plan": "pro"}),
        "properties.$set_once.source": "ad",  # PostHog writes them so
        "properties.$set_once.from": "",
        "properties.cart.total": "5",
        "properties.tags": "[draft",
    }
    (tmp_path / "file").write_bytes(_csv([{**event, **told}]))
    command.run("import", tmp_path / "file", project=mine)
    assert command.store.person(mine.id, "anon-1").properties == {"plan": "pro", "source": "ad"}
    (row,) = command.store.recent(mine.id)
    assert (row.properties["cart.total"], row.properties["tags"]) == ("5", "[draft")


def test_an_odd_row_of_csv_costs_itself_only(command: Command, tmp_path: Path) -> None:
    mine = command.project()
    rows = [b"event,distinct_id", b"x,ada", b"x,bob,more,and more", b"x", b"", b"\xff\xfe,cy", b"x,dora"]
    (tmp_path / "file").write_bytes(b"\n".join(rows))
    said = command.run("import", tmp_path / "file", project=mine)
    assert said.startswith("3 events stored")
    assert "1 skipped: more cells than the header has." in said
    assert {row.distinct_id for row in command.store.recent(mine.id)} == {"ada", "cy", "dora"}


def test_what_json_gets_wrong_is_mended_in_the_cells_of_a_csv_too(command: Command, tmp_path: Path) -> None:
    mine = command.project()
    cell = json.dumps({"price": float("nan"), "title": "\ud83d", "plan": "pro"})
    (tmp_path / "file").write_bytes(_csv([{"event": "x", "distinct_id": "ada", "properties": cell}]))
    command.run("import", tmp_path / "file", project=mine)
    (row,) = command.store.recent(mine.id)
    assert row.properties == {"price": None, "title": "\ufffd", "plan": "pro"}


def test_an_odd_person_costs_itself_only(command: Command, tmp_path: Path) -> None:
    mine = command.project()
    odd = {**PERSON, "distinct_ids": ["ada"], "properties": {"a\0b": 1, "c": {"d\0": "\0"}}}
    lines = [odd, {**PERSON, "distinct_ids": [["deep"], {"er": 1}, "bob"], "id": {}}, {"distinct_ids": [], "x": 7}]
    (tmp_path / "file").write_text("\n".join(json.dumps(one) for one in lines))
    said = command.run("import", tmp_path / "file", project=mine)
    assert "1 skipped: neither an event nor a person." in said
    assert command.store.person(mine.id, "ada").properties["a\ufffdb"] == 1
    assert command.store.person(mine.id, "bob") is not None
