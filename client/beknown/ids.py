"""Ids: UUID version 7 (RFC 9562, section 5.7), made from a time and from bytes that are handed in.

Rules:
- Pure: the caller brings the milliseconds and the random bytes.
- An id sorts by its time as text, so that a journal of calls is in order without an index.
- What one call needs besides its own id is *derived* from that id: whoever runs the same call again
  (the next page, another tab, the server) makes the same ids, and the server's index drops the repeat.
"""

import hashlib

RANDOM_BYTES = 10  # a UUIDv7 holds 74 random bits; 10 bytes are 80, of which 6 are overwritten

_HEX = "0123456789abcdef"


def uuid7(ms: float, random: bytes) -> str:
    """Give a UUIDv7 as text for a time in ms since 1970 and at least ``RANDOM_BYTES`` random bytes."""
    tail = "".join(["%02x" % byte for byte in random[:RANDOM_BYTES]])
    stamp = "%012x" % int(ms)
    variant = _HEX[8 + (random[2] & 3)]
    return f"{stamp[:8]}-{stamp[8:12]}-7{tail[:3]}-{variant}{tail[5:8]}-{tail[8:20]}"


def is_uuid(text: object) -> bool:
    """Tell whether ``text`` is a UUID of any version, in the usual 36 characters, lower or upper case."""
    if not isinstance(text, str) or len(text) != 36:
        return False
    if text[8] + text[13] + text[18] + text[23] != "----":
        return False
    digits = text.lower().replace("-", "")
    return len(digits) == 32 and all(digit in _HEX for digit in digits)


def time_of(uuid: str) -> int:
    """Give the milliseconds since 1970 that a UUIDv7 carries in its first 48 bits."""
    return int(uuid[:8] + uuid[9:13], 16)


def derived(uuid: str, label: str) -> str:
    """Give another UUIDv7 of the same millisecond: always the same one for the same id and label."""
    return uuid7(time_of(uuid), hashlib.sha256((uuid + "/" + label).encode()).digest())
