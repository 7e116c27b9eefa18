"""Events on disk: nothing accepted is lost, whatever instant the process ends at."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from beknown import spool
from beknown.spool import Spool

LINES = [f'{{"uuid": "{number}"}}' for number in range(5)]
LATER = '{"uuid": "later"}'


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
        again.add([LATER])
        again.close()
        assert left(tmp_path)[-1] == LATER


def test_two_processes_have_a_slot_each_and_one_empties_the_others_when_it_is_gone(tmp_path: Path) -> None:
    first, second = Spool(tmp_path, "x"), Spool(tmp_path, "x")
    first.add(LINES[:2])
    second.add(LINES[2:])
    assert first.adopt(100) == []  # its owner is alive
    second.close()
    assert first.adopt(0) == []  # no room
    assert first.adopt(3) == LINES[2:]
    assert file(tmp_path, 1).read_bytes() == b""
    first.close()
    assert left(tmp_path) == LINES


def test_a_slot_with_more_than_there_is_room_for_is_emptied_by_and_by(tmp_path: Path) -> None:
    first, second = Spool(tmp_path, "x"), Spool(tmp_path, "x")
    second.add([LATER, *LINES])
    second.settle(1)
    second.close()
    assert [first.adopt(2), first.adopt(2), first.adopt(2), first.adopt(2)] == [LINES[:2], LINES[2:4], LINES[4:], []]
    first.close()
    assert left(tmp_path) == LINES


@pytest.mark.parametrize("is_synced", [True, False])
def test_what_stands_in_two_slots_after_a_crash_is_taken_over_once(tmp_path: Path, is_synced: bool) -> None:
    first, second = Spool(tmp_path, "x"), Spool(tmp_path, "x")
    second.add(LINES)
    second.close()
    before = file(tmp_path, 1).read_bytes()
    assert first.adopt(9) == LINES
    file(tmp_path, 1).write_bytes(before)  # it was not emptied
    if not is_synced:
        file(tmp_path).write_bytes(before[:20])
    first.close()
    again = Spool(tmp_path, "x")
    assert [*again.waiting(), *again.adopt(9)] == LINES
    again.close()
    assert file(tmp_path, 1).read_bytes() == b""
    assert left(tmp_path) == LINES


class Full:
    """A disk that refuses what is asked of it from the ``nth`` time on."""

    def __init__(self, nth: int) -> None:
        self.nth = nth

    def __call__(self, _: int) -> None:
        self.nth -= 1
        if self.nth <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("nth", [1, 2])  # our own file is synced first, then what the other one is replaced with
def test_a_disk_that_fails_while_events_are_taken_over_costs_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    first, second = Spool(tmp_path, "x"), Spool(tmp_path, "x")
    first.add([LATER])
    second.add(LINES)
    second.close()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", Full(nth))
        with pytest.raises(OSError, match="No space"):
            first.adopt(3)
    assert not [*tmp_path.glob("*.new")]  # it would take the space that is missing
    first.settle(1)  # what is in the queue: ``LATER``
    assert [first.adopt(3), first.adopt(3)] == [LINES[:3], LINES[3:]]
    first.settle(3)
    first.close()
    assert left(tmp_path) == LINES[3:]


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


DAMAGED = (
    b"\0" * 12,
    b'{"uuid": "1',
    b'"uuid": "1"}',
    b"{}",
    b'{"uuid": 1}',
    b"[1]",
    b"\xff",
    b"",
    "\u00b2".encode(),
    b"9" * 30,
)


@pytest.mark.parametrize("damage", DAMAGED)
@pytest.mark.parametrize("place", range(4))
def test_a_damaged_line_is_set_aside_and_costs_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: bytes, place: int
) -> None:
    first = Spool(tmp_path, "x")
    first.add(LINES[:2])
    first.settle(1)
    first.add(LINES[2:])
    first.close()
    lines = file(tmp_path).read_bytes().split(b"\n")
    was, lines[place] = lines[place].decode(), damage
    file(tmp_path).write_bytes(b"\n".join(lines))
    assert left(tmp_path) == [line for line in LINES if line != was]  # what was settled is not known any more
    assert (tmp_path / "x.0.damaged").read_bytes() == damage + b"\n"
    assert "cannot be read" in caplog.text
    again = Spool(tmp_path, "x")  # and from here on it is
    again.settle(2)
    again.close()
    assert left(tmp_path) == [line for line in LINES if line != was][2:]


def test_damage_in_a_slot_that_nobody_owns_is_set_aside_once(tmp_path: Path) -> None:
    first, second = Spool(tmp_path, "x"), Spool(tmp_path, "x")
    second.add([LINES[0], "{", *LINES[1:]])
    second.close()
    assert [first.adopt(3), first.adopt(3), first.adopt(3)] == [LINES[:3], LINES[3:], []]
    assert (tmp_path / "x.1.damaged").read_bytes() == b"{\n"
    first.close()


def test_others_cannot_read_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "COMPACT_BYTES", -100)
    first = Spool(tmp_path, "x")
    first.add([*LINES, "damaged"])
    first.settle(1)
    first.close()
    left(tmp_path)
    found = [*tmp_path.iterdir()]
    assert {path.suffix for path in found} == {".jsonl", ".lock", ".damaged"}
    assert not any(path.stat().st_mode & 0o077 for path in found)
