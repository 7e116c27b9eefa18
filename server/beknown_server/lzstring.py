"""LZ-String's base64 form undone: what posthog-js sent as ``compression=lz64`` before it had gzip.

A stream of codes, each of as many bits as the dictionary's size needs. 0 and 1 bring a new letter of 8 or 16 bits,
2 ends the text, any other names an entry; each code adds the entry before it plus its own first letter.

Rules:
- Pure. A code can stand for a text as long as all before it, so both sides are limited while it works. The packages
  that decode this have no limit, which is why it stands here.
- Letters are UTF-16 units, as in JavaScript; half an emoji becomes U+FFFD.
"""

from __future__ import annotations

import base64
import binascii

MAX_TEXT = 256 << 10  # bytes that come in: old SDKs sent a beacon's worth, 64 KiB
MAX_LETTERS = 2 << 20  # UTF-16 units that come out

_BYTE, _WORD, _END, _FIRST = 0, 1, 2, 3
# Letters hold their bits with the highest first, codes with the lowest first: reversed bytes make both the same.
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class Damaged(ValueError):
    """The text is not what LZ-String writes."""


class Swollen(ValueError):
    """The text is over MAX_TEXT, or would become longer than MAX_LETTERS."""


class _Bits:
    """A stream of bits, taken from the lowest."""

    def __init__(self, data: bytes) -> None:
        self._data = data.translate(_REVERSED)
        self._at = self._held = self._count = 0

    def take(self, count: int) -> int:
        while self._count < count:
            if self._at == len(self._data):
                raise Damaged("it ends too early")
            self._held |= self._data[self._at] << self._count
            self._at += 1
            self._count += 8
        value = self._held & ((1 << count) - 1)
        self._held >>= count
        self._count -= count
        return value


def decompressed(text: bytes) -> str:
    """Give what ``LZString.compressToBase64`` was given. Raises Damaged and Swollen."""
    bits = _Bits(_decoded(text.strip()))
    entries = ["", "", ""]  # the numbers of the three signs
    width, before, pieces, length = 2, "", [], 0
    while (code := bits.take(width)) != _END:
        if code in (_BYTE, _WORD):
            entries.append(chr(bits.take(16 if code == _WORD else 8)))
            code = len(entries) - 1
        if code > len(entries) or (code == len(entries) and not before):
            raise Damaged("it names what it has not said")
        entry = entries[code] if code < len(entries) else before + before[0]
        length += len(entry)
        if length > MAX_LETTERS:
            raise Swollen(f"it is over {MAX_LETTERS} letters long")
        pieces.append(entry)
        if before:
            entries.append(before + entry[0])
        before = entry
        width = len(entries).bit_length()
    return "".join(pieces).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _decoded(text: bytes) -> bytes:
    if len(text) > MAX_TEXT:
        raise Swollen(f"it is over {MAX_TEXT} bytes")
    bare = text.rstrip(b"=")  # its padding hides bits that base64 would throw away
    try:
        return base64.b64decode(bare + b"A" * (-len(bare) % 4), validate=True)
    except binascii.Error:
        raise Damaged("it is not base64") from None
