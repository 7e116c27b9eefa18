"""A spool: accepted events on disk until they are delivered, so that a restart loses none.

A folder holds one file per running process, ``<name>.<slot>.jsonl``, to which lines are only ever added:

    {...}     an event was accepted
    17        the 17 oldest events are settled

Rules:
- A process owns the first slot whose lock it gets, and empties the slots of processes that are gone, as far as it has
  room. What it takes over is on disk here before it goes there: a crash between the two leaves it twice, never not at
  all, and it is known again. Where the disk fails between the two, it stays there.
- An event is in the file before ``capture`` returns. It then survives the process's death at any instant; only a
  machine that loses power may lose the last moments, as the file is not synced for each event.
- A last line without its line break was never acknowledged to anybody, and is cut off.
- A line that cannot be read, as a loss of power may leave it, is set aside in ``<name>.<slot>.damaged``. Nobody knows
  what it was, so such a file is not believed about what is settled: all that can be read is delivered once more.
- When nothing waits the file is emptied; when it is mostly settled lines it is written anew and renamed into place.
"""

import fcntl
import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import IO

log = logging.getLogger("beknown")

COMPACT_BYTES = 16 * 1024 * 1024  # settled lines beyond this are cleared away


class Spool:
    """The spool of one process, in ``folder``; ``name`` tells apart what must not be mixed (keys, collectors)."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        folder.mkdir(parents=True, exist_ok=True)
        self._lock, self._path = next(slot for slot in self._slots() if slot is not None)
        self._waiting, is_exact = _left(self._path)  # what the file holds and is not settled, oldest first
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._size = os.fstat(self._file).st_size
        if not is_exact:  # line numbers must be right again
            self._rewrite()

    def waiting(self) -> list[str]:
        """Give the events that an earlier process left in this slot."""
        return list(self._waiting)

    def adopt(self, room: int) -> list[str]:
        """Take over at most ``room`` events from a process that is gone, if there are any; give them."""
        for slot in self._slots(existing=True) if room > 0 else ():
            if slot is None:
                continue
            lock, path = slot
            try:
                if taken := self._take_over(path, room):
                    return taken
            finally:
                os.close(lock)
        return []

    def _take_over(self, path: Path, room: int) -> list[str]:
        left, is_exact = _left(path)
        known = set(self._waiting)
        fresh = [event for event in left if event not in known]
        taken, rest = fresh[:room], fresh[room:]
        size, waiting = self._size, len(self._waiting)
        if taken:
            self.add(taken)
        try:
            if taken:
                os.fsync(self._file)
            if left or not is_exact:
                _replace(path, rest)
        except OSError:  # a full disk. What nobody is given to deliver must not be settled in place of what is
            self._waiting = self._waiting[:waiting]
            os.ftruncate(self._file, size)
            self._size = size
            raise
        return taken

    def add(self, events: Sequence[str]) -> None:
        """Write events down. Raises OSError if the disk does not take them; then none of them is there."""
        self._write("".join([event + "\n" for event in events]).encode())
        self._waiting += events

    def settle(self, number: int) -> None:
        """Note that the oldest events need no keeping any more. If this fails they are delivered again, not lost."""
        self._waiting = self._waiting[number:]
        if not self._waiting:
            os.ftruncate(self._file, 0)
            self._size = 0
        elif self._size > COMPACT_BYTES + 2 * sum(map(len, self._waiting)):
            self._rewrite()
        else:
            self._write(b"%d\n" % number)

    def abandon(self) -> None:
        """Let go of the files without touching them: after a fork they are the parent's."""
        os.close(self._file)
        os.close(self._lock)  # the parent's copy keeps the lock

    def close(self) -> None:
        """Make sure of what is written, and leave the slot to others."""
        with suppress(OSError):  # a sick disk; nothing more can be done about it here
            os.fsync(self._file)
        self.abandon()

    def _write(self, line: bytes) -> None:
        written = os.write(self._file, line)
        if written < len(line):  # a full disk: half a line would damage the next one
            os.ftruncate(self._file, self._size)
            raise OSError(f"only {written} of {len(line)} bytes could be written to {self._path}")
        self._size += written

    def _rewrite(self) -> None:
        self._size = _replace(self._path, self._waiting)
        os.close(self._file)
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND)

    def _slots(self, existing: bool = False) -> Iterator[tuple[int, Path] | None]:
        """Give the slots in order: locked by us now, or None for one that somebody else holds."""
        for slot in count():
            path = self._folder / f"{self._name}.{slot}.jsonl"
            locked = path.with_suffix(".lock")
            if existing and not locked.exists():
                return
            lock = os.open(locked, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield lock, path
            except BlockingIOError:
                os.close(lock)
                yield None


def _left(path: Path) -> tuple[list[str], bool]:
    """Give the events of a file that are not settled, each once, and whether it says no more than that.

    A last line that was never finished is cut off; damaged lines are set aside.
    """
    if not path.exists():
        return [], True
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        os.truncate(path, len(whole))
    events: list[str] = []
    damaged: list[bytes] = []
    settled = 0
    for line in whole.split(b"\n")[:-1]:
        if line.isdigit() and len(line) < 10:
            settled += int(line)
        elif _is_event(line):
            events.append(line.decode())
        else:
            damaged.append(line)
    if damaged:
        _set_aside(path, damaged)
        settled = 0
    waiting = list(dict.fromkeys(events[settled:]))
    return waiting, not damaged and len(waiting) == len(events[settled:])


def _is_event(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line)["uuid"], str)
    except (ValueError, TypeError, LookupError, RecursionError):
        return False


def _set_aside(path: Path, lines: list[bytes]) -> None:
    aside = path.with_suffix(".damaged")
    with _private(aside, "ab") as file:
        file.write(b"".join([line + b"\n" for line in lines]))
    log.warning(
        "%s has %d line(s) that cannot be read; they are in %s now. The others are sent, some perhaps once more.",
        path,
        len(lines),
        aside,
    )


def _replace(path: Path, events: Sequence[str]) -> int:
    """Let a file hold these events and nothing else, or stay as it was; give its size."""
    fresh = path.with_suffix(".new")
    try:
        with _private(fresh, "wb") as file:
            size = file.write("".join([event + "\n" for event in events]).encode())
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
    except OSError:
        fresh.unlink(missing_ok=True)  # half of it, on a disk that is full
        raise
    return size


def _private(path: Path, mode: str) -> IO[bytes]:
    """Open a file that only we may read."""
    return open(path, mode, opener=lambda name, flags: os.open(name, flags, 0o600))
