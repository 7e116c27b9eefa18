"""The files of the columnar copy: one project's events in pieces that never change.

    <folder>/<database>/<project>/<after>-<last>.parquet      events with after < seq <= last

Rules:
- What a file holds follows from its name and the store: whoever writes it writes the same. So processes share the
  folder without talking: a file appears whole (renamed into place), and a chain from 0 without gaps counts.
- A file that is missing, torn or foreign ends the chain; the events after it are read from the store again.
- One process at a time writes (a lock on a file, which the system lets go of when the process dies).
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

_NAME = re.compile(r"(\d{16})-(\d{16})\.parquet")
_MAGIC = b"PAR1"  # what every whole Parquet file ends with


class Segment(NamedTuple):
    """Events with after < seq <= last, in a file."""

    after: int
    last: int
    path: Path


class Segments:
    """The files of one project."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._whole: set[Path] = set()

    def chain(self) -> list[Segment]:
        """Give the segments that follow each other from the first event on."""
        found: dict[int, Segment] = {}
        with suppress(FileNotFoundError):
            for entry in os.scandir(self.folder):
                if match := _NAME.fullmatch(entry.name):
                    segment = Segment(int(match[1]), int(match[2]), Path(entry.path))
                    if segment.after not in found or found[segment.after].last < segment.last:
                        found[segment.after] = segment
        chain: list[Segment] = []
        at = 0
        while at in found and self._is_whole(found[at].path):
            chain.append(found[at])
            at = found[at].last
        return chain

    def place(self, after: int, last: int) -> Path:
        """Give the path of a segment."""
        return self.folder / f"{after:016d}-{last:016d}.parquet"

    def clear(self) -> None:
        """Remove every segment: they belong to another past than the store's."""
        with suppress(FileNotFoundError):
            for entry in os.scandir(self.folder):
                if _NAME.fullmatch(entry.name):
                    Path(entry.path).unlink(missing_ok=True)

    @contextmanager
    def writing(self) -> Iterator[Path]:
        """Be the only process that writes, for as long as the block lasts; gives a path to write to first."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield self.folder / "writing.tmp"

    def _is_whole(self, path: Path) -> bool:
        # A power cut may leave a file that was renamed and not yet written: it is a cache, so it is never flushed.
        if path not in self._whole:
            with suppress(OSError), path.open("rb") as file:
                file.seek(-len(_MAGIC), os.SEEK_END)
                if file.read() == _MAGIC:
                    self._whole.add(path)
        return path in self._whole
