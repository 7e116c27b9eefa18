"""Which of two writes of the same millisecond came later: bytes that compare as they happened.

    uuid (16 bytes)                   where the sender's clock tells whole milliseconds
    microseconds (2) + uuid (16)      where it tells more, as posthog-python's does, whose uuids are random

Rules:
- Pure, and the same whenever and in whatever company the event arrives.
- Our own uuids, and those that the server gives, grow within a millisecond as calls are made.
"""

from __future__ import annotations

from uuid import UUID


def order(uuid: bytes, micros: int | None) -> bytes:
    """Give the place of an event within its millisecond."""
    return uuid if micros is None else micros.to_bytes(2, "big") + uuid


def text_of(place: bytes) -> str:
    """Give a place as an export writes it: the uuid, and the microseconds behind it."""
    uuid = str(UUID(bytes=place[-16:]))
    return uuid if len(place) == 16 else f"{uuid} {int.from_bytes(place[:2], 'big')}"


def place_of(text: str) -> bytes:
    """Give the place that such a text says. Raises ValueError if it says none."""
    uuid, _, micros = text.partition(" ")
    return order(UUID(uuid).bytes, int(micros) % 1000 if micros else None)
