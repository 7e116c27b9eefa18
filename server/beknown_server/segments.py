"""The files of the columnar copy: one project's events in pieces that never change.

    <folder>/<database>/<project>/<after>-<last>.parquet      events with after < seq <= last
    <folder>/<database>/<project>/<after>-<last>.<n>.parquet  the same written anew, without what was forgotten
    <folder>/<database>/<project>/since-<time>                events before this time are forgotten, everywhere
    <folder>/<database>/<project>/ids-<change>-<last>.parquet whose the ids up to ``last`` were after a change

Rules:
- What a file holds follows from its name and the store: whoever writes it writes the same. So processes share the
  folder without talking: a file appears whole (renamed into place), and a chain from 0 without gaps counts.
- A file that is missing, torn or foreign ends the chain; the events after it are read from the store again.
- One process at a time writes (a lock on a file, which the system lets go of when the process dies).
- No file is ever changed: a reader may be in the midst of it, or know its footer. A new file takes the place of one
  or of several neighbours: of those that begin at one event, the one that reaches furthest and is newest counts. The
  others go when whoever reads them has had an answer (GRACE_S).
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple

GRACE_S = 40  # longer than an answer may take

_NAME = re.compile(r"(\d{16})-(\d{16})(?:\.(\d+))?\.parquet")
_IDS = re.compile(r"ids-(\d{16})-(\d{16})\.parquet")
_SINCE = re.compile(r"since-(\d{16})")
_MAGIC = b"PAR1"  # what every whole Parquet file ends with


class Segment(NamedTuple):
    """Events with after < seq <= last, in a file."""

    after: int
    last: int
    version: int
    path: Path

    def covers(self, other: Segment) -> bool:
        """Tell whether it holds all that the other is about."""
        return self.after <= other.after and other.last <= self.last


class Ids(NamedTuple):
    """Whose the ids were, so that a process that starts need not ask the store for a million of them."""

    change: int
    last: int
    path: Path


class Segments:
    """The files of one project."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._whole: set[Path] = set()
        self._leading: IO[str] | None = None

    def all(self) -> list[Segment]:
        """Give every segment that is there, in no order; some may overlap."""
        names = [(name, match) for name in self._names() if (match := _NAME.fullmatch(name))]
        return [Segment(int(m[1]), int(m[2]), int(m[3] or 0), self.folder / name) for name, m in names]

    def chain(self) -> list[Segment]:
        """Give the segments that follow each other from the first event on."""
        found = {segment.after: segment for segment in sorted(self.all(), key=lambda one: (one.last, one.version))}
        chain: list[Segment] = []
        at = 0
        while at in found and self._is_whole(found[at].path):
            chain.append(found[at])
            at = found[at].last
        return chain

    def ids(self) -> Ids | None:
        """Give the newest file of ids."""
        names = [(name, match) for name in self._names() if (match := _IDS.fullmatch(name))]
        found = [Ids(int(match[1]), int(match[2]), self.folder / name) for name, match in names]
        return max((one for one in found if self._is_whole(one.path)), default=None)

    def keep_ids(self, change: int, last: int, written: Path) -> None:
        """Put a file of ids in its place, and remove the older ones."""
        place = self.folder / f"ids-{change:016d}-{last:016d}.parquet"
        written.replace(place)
        for name in self._names():
            if _IDS.fullmatch(name) and name != place.name:
                (self.folder / name).unlink(missing_ok=True)

    def since(self) -> int:
        """Give the time before which every event is forgotten; 0 if there is none."""
        return max((int(match[1]) for name in self._names() if (match := _SINCE.fullmatch(name))), default=0)

    def forget_before(self, time: int) -> None:
        """Note that events before a time, and no later ones, are forgotten; 0: none is.

        If that is earlier than it was, every segment goes: it may lack events that are stored and count now.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if time < self.since():
            self.clear_events()
        (self.folder / f"since-{time:016d}").touch()
        for name in self._names():
            if (match := _SINCE.fullmatch(name)) and int(match[1]) != time:
                (self.folder / name).unlink(missing_ok=True)

    def place(self, after: int, last: int, version: int = 0) -> Path:
        """Give the path of a segment."""
        number = f".{version}" if version else ""
        return self.folder / f"{after:016d}-{last:016d}{number}.parquet"

    def clear(self, after: int = 0) -> None:
        """Remove the segments that reach beyond an event, and the ids: they belong to another past than the store's."""
        self.clear_events(after)
        if found := self.ids():
            found.path.unlink(missing_ok=True)

    def clear_events(self, after: int = 0) -> None:
        """Remove the segments that reach beyond an event."""
        for segment in self.all():
            if segment.last > after:
                segment.path.unlink(missing_ok=True)

    def tidy(self, *, grace: float | None = None) -> None:
        """Remove the files whose place another has taken, a while after it has."""
        chain = self.chain()
        counted = {segment.path for segment in chain}
        until = time.time() - (GRACE_S if grace is None else grace)
        for segment in self.all():
            instead = [one for one in chain if one.covers(segment)] if segment.path not in counted else []
            with suppress(FileNotFoundError):
                if instead and instead[0].path.stat().st_mtime <= until:
                    segment.path.unlink()

    @contextmanager
    def writing(self) -> Iterator[Path]:
        """Be the only process that writes, for as long as the block lasts; gives a path to write to first."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield self.folder / "writing.tmp"

    def leads(self) -> bool:
        """Tell whether this process is the one, of those that share the folder, that reads ahead; it stays so."""
        if self._leading is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = (self.folder / "leader").open("w")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                return False
            self._leading = file
        return True

    def leave(self) -> None:
        """Let another process read ahead."""
        if self._leading is not None:
            self._leading.close()
            self._leading = None

    def _names(self) -> list[str]:
        with suppress(FileNotFoundError):
            return os.listdir(self.folder)
        return []

    def _is_whole(self, path: Path) -> bool:
        # A power cut may leave a file that was renamed and not yet written: it is a cache, so it is never flushed.
        if path not in self._whole:
            with suppress(OSError), path.open("rb") as file:
                file.seek(-len(_MAGIC), os.SEEK_END)
                if file.read() == _MAGIC:
                    self._whole.add(path)
        return path in self._whole
