"""A spool: accepted events on disk until they are delivered, so that a restart loses none.

A folder holds one file per running process, ``<name>.<slot>.jsonl``, to which lines are only ever added:

    {...}     an event was accepted
    17        the 17 oldest events are settled

Rules:
- A process owns the first slot whose lock it gets, and empties the slots of processes that are gone.
- An event is in the file before ``capture`` returns. It then survives the process's death at any instant; only a
  machine that loses power may lose the last moments, as the file is not synced for each event.
- A last line without its line break was never acknowledged to anybody, and is cut off.
- When nothing waits the file is emptied; when it is mostly settled lines it is written anew and renamed into place.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path

COMPACT_BYTES = 16 * 1024 * 1024  # settled lines beyond this are cleared away


class Spool:
    """The spool of one process, in ``folder``; ``name`` tells apart what must not be mixed (keys, collectors)."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        folder.mkdir(parents=True, exist_ok=True)
        self._lock, self._path = next(slot for slot in self._slots() if slot is not None)
        found = _mended(self._path)
        self._waiting = list(dict.fromkeys(found))  # what the file holds and is not settled, oldest first
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._size = os.fstat(self._file).st_size
        if len(self._waiting) < len(found):  # ``adopt`` was interrupted; line numbers must be right again
            self._rewrite()

    def waiting(self) -> list[str]:
        """Give the events that an earlier process left in this slot."""
        return list(self._waiting)

    def adopt(self, room: int) -> list[str]:
        """Take over events from a process that is gone, if there are any and no more than ``room``; give them."""
        for slot in self._slots(existing=True):
            if slot is None:
                continue
            lock, path = slot
            try:
                left = _mended(path)
                if left and len(left) <= room:
                    self.add(left)
                    os.truncate(path, 0)  # a crash before this leaves both copies; delivered twice, stored once
                    return left
            finally:
                os.close(lock)
        return []

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
        fresh = self._path.with_suffix(".new")
        content = "".join([event + "\n" for event in self._waiting]).encode()
        with open(fresh, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, self._path)
        os.close(self._file)
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        self._size = len(content)

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


def _mended(path: Path) -> list[str]:
    """Give the events of a file that are not settled; cut off a last line that was never finished."""
    if not path.exists():
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        os.truncate(path, len(whole))
    events: list[str] = []
    settled = 0
    for line in whole.decode(errors="replace").split("\n"):
        if line.isdigit():
            settled += int(line)
        elif line.startswith("{"):
            events.append(line)
    return events[settled:]
