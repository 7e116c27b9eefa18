"""Events on disk: nothing accepted is lost, whatever instant the process ends at."""

from __future__ import annotations

from pathlib import Path

import pytest
from beknown import spool
from beknown.spool import Spool

LINES = [f'{{"uuid": "{number}"}}' for number in range(5)]


def file(folder: Path, slot: int = 0) -> Path:
    return folder / f"x.{slot}.jsonl"


def left(folder: Path) -> list[str]:
    """What the next process finds."""
    found = Spool(folder, "x")
    waiting = found.waiting()
    found.close()
    return waiting


def test_what_was_not_settled_is_found_by_the_next_process(tmp_path: Path) -> None:
    first = Spool(tmp_path, "x")
    first.add(LINES)
    first.settle(2)
    first.close()
    assert left(tmp_path) == LINES[2:]


def test_a_file_whose_events_are_all_settled_is_empty(tmp_path: Path) -> None:
    first = Spool(tmp_path, "x")
    first.add(LINES)
    first.settle(5)
    assert file(tmp_path).read_bytes() == b""
    first.close()


def test_cut_off_at_any_byte_it_holds_every_event_whose_line_was_complete(tmp_path: Path) -> None:
    first = Spool(tmp_path, "x")
    first.add(LINES[:3])
    first.settle(1)
    first.add(LINES[3:])
    first.close()
    whole = file(tmp_path).read_bytes()
    for length in range(len(whole) + 1):
        file(tmp_path).write_bytes(whole[:length])
        lines = whole[:length].split(b"\n")[:-1]
        events = [line.decode() for line in lines if line.startswith(b"{")]
        assert left(tmp_path) == events[lines.count(b"1") :]
        again = Spool(tmp_path, "x")  # and what is added next is not glued to half a line
        again.add(["{}"])
        again.close()
        assert left(tmp_path)[-1] == "{}"


def test_two_processes_have_a_slot_each_and_one_empties_the_others_when_it_is_gone(tmp_path: Path) -> None:
    first, second = Spool(tmp_path, "x"), Spool(tmp_path, "x")
    first.add(LINES[:2])
    second.add(LINES[2:])
    assert first.adopt(100) == []  # its owner is alive
    second.close()
    assert first.adopt(2) == []  # no room for all of it yet
    assert first.adopt(3) == LINES[2:]
    assert file(tmp_path, 1).read_bytes() == b""
    first.close()
    assert left(tmp_path) == LINES


def test_an_adoption_that_was_interrupted_leaves_each_event_once(tmp_path: Path) -> None:
    first = Spool(tmp_path, "x")
    first.add([*LINES, *LINES])
    first.close()
    again = Spool(tmp_path, "x")
    assert again.waiting() == LINES
    again.settle(4)
    again.close()
    assert left(tmp_path) == LINES[4:]


def test_settled_lines_are_cleared_away_while_events_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "COMPACT_BYTES", 100)
    first = Spool(tmp_path, "x")
    first.add(LINES)
    for _ in range(50):
        first.add(LINES)
        first.settle(5)
        assert file(tmp_path).stat().st_size < 1000
    first.close()
    assert left(tmp_path) == LINES


def test_others_cannot_read_it(tmp_path: Path) -> None:
    Spool(tmp_path, "x").close()
    assert file(tmp_path).stat().st_mode & 0o077 == 0
