"""What a file to import holds, line by line: lines of JSON, one document over several lines, or the rows of a CSV.

Rules:
- It is a CSV if its first line does not begin as JSON, and the second is no record of JSON either.
- It is one document if each line that is a record by itself is followed by a comma or a bracket, as only in one. So it
  is found out without having it in memory, and a file whose first line is odd is still read line by line.
- Blank lines and marks of the byte order say nothing.
- It may be gzipped. Where that is damaged, the file ends; ``cut`` says so.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from itertools import chain, dropwhile, pairwise
from typing import Any, BinaryIO

from .imports import BEYOND
from .payload import document

BOM = b"\xef\xbb\xbf"
GZIPPED = b"\x1f\x8b"


class Lines:
    """What is in a file, from its start each time it is asked."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._zipped: Unzipped | None = None

    def __iter__(self) -> Iterator[bytes | dict[str, Any]]:
        """Give the lines of JSON as they are, a document as one, each row of a CSV as an object."""
        if _is_table(_said(self._opened())):
            yield from self._rows()
        elif _is_document(_said(self._opened())):
            yield self._opened().read().removeprefix(BOM)
        else:
            yield from _said(self._opened())

    @property
    def cut(self) -> int | None:
        """Give how many lines there were before the damage, None without any."""
        return self._zipped.cut if self._zipped else None

    def _rows(self) -> Iterator[dict[str, Any]]:
        csv.field_size_limit(2**31 - 1)
        text = io.TextIOWrapper(self._opened(), "utf-8-sig", errors="replace", newline="")
        rows = csv.DictReader(dropwhile(str.isspace, text), restkey=BEYOND)
        try:
            for row, following in pairwise(chain(rows, [None])):
                if row and (following or self.cut is None):  # where the file is cut, half a row looks like a whole one
                    yield row
        finally:
            text.detach()  # the file is closed by whoever opened it

    def _opened(self) -> BinaryIO:
        self._raw.seek(0)
        zipped = self._raw.read(len(GZIPPED)) == GZIPPED
        self._raw.seek(0)
        if not zipped:
            return self._raw
        self._zipped = Unzipped(self._raw)
        return io.BufferedReader(self._zipped)


class Unzipped(io.RawIOBase):
    """What is in a gzipped file, up to where that is damaged: ``cut`` is the number of lines until there."""

    def __init__(self, raw: BinaryIO) -> None:
        self._file = gzip.GzipFile(fileobj=raw)
        self._lines = 0
        self.cut: int | None = None

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, room: Any) -> int:
        """Fill the room with what comes next, as far as it goes; 0 at the end."""
        piece = b""
        if self.cut is None:
            try:
                piece = self._file.read1(len(room))
            except (EOFError, zlib.error, gzip.BadGzipFile):
                self.cut = self._lines
        self._lines += piece.count(b"\n")
        room[: len(piece)] = piece
        return len(piece)


def parsed(line: bytes) -> Any:
    """Give what a line of JSON says, bytes that are no UTF-8 replaced. Raises ValueError if it is none."""
    return document(line.decode(errors="replace").encode())


def _said(file: BinaryIO) -> Iterator[bytes]:
    """Give the lines that say something."""
    return (text for line in file if (text := line.removeprefix(BOM).strip()))


def _is_table(lines: Iterator[bytes]) -> bool:
    first, second = next(lines, b""), next(lines, b"")
    return first[:1] not in (b"{", b"[") and not _is_json(first) and not _is_record(second)


def _is_document(lines: Iterator[bytes]) -> bool:
    whole = False
    for line in lines:
        if whole and line[:1] not in (b",", b"]", b"}"):
            return False
        whole = _is_record(line)
    return not whole


def _is_record(line: bytes) -> bool:
    """Tell whether a line is a whole object or list."""
    return line[:1] in (b"{", b"[") and line[-1:] in (b"}", b"]") and _is_json(line)


def _is_json(line: bytes) -> bool:
    try:
        parsed(line)
    except ValueError:
        return False
    return True
