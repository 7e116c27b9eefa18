"""What was made last, kept for who asks for the same next: bounded in number and bytes, the oldest goes first."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Made = TypeVar("Made")


class Kept(Generic[Key, Made]):
    """At most ``most`` things by key, and at most ``most_bytes`` of them but for the last; ``size`` weighs one."""

    def __init__(self, most: int, most_bytes: int, size: Callable[[Made], int]) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._size = size
        self._things: dict[Key, tuple[Made, int]] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._things)

    def __iter__(self) -> Iterator[Made]:
        return (made for made, _ in self._things.values())

    def get(self, key: Key) -> Made | None:
        """Give what was made for a key, or None."""
        found = self._things.get(key)
        return None if found is None else found[0]

    def put(self, key: Key, made: Made) -> Made:
        """Keep and give what was made for a key; weighed again, if it is there already."""
        size = self._size(made)
        self._bytes += size - self._things.pop(key, (made, 0))[1]
        self._things[key] = (made, size)
        while len(self._things) > self._most or (self._bytes > self._most_bytes and len(self._things) > 1):
            self._bytes -= self._things.pop(next(iter(self._things)))[1]
        return made

    def clear(self) -> None:
        """Let go of everything."""
        self._things.clear()
        self._bytes = 0
