"""Why some ids are one person, as the person's page lists it.

Rules:
- Pure. Every link of an explanation stands in exactly one row, so that each can be undone.
- Each link that joined made one person of two, so these are a tree: from the id that survived every other id is reached
  by one of them, and that one is why the id is theirs. What joined nothing stands in rows of its own, after the ids.
- A list may be very long: a page shows a part of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from .identity import JOINS
from .store import Explanation, Link

LISTED = 100  # rows of one list on a page

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Tie:
    """An id of a person with the link that it was reached by (None: it was there first); or a link that joined none."""

    distinct_id: str | None
    link: Link | None


@dataclass(frozen=True, slots=True)
class Part(Generic[T]):
    """Some rows of a list, the number of rows before them, and of all."""

    rows: Sequence[T]
    start: int
    total: int

    @property
    def end(self) -> int:
        return self.start + len(self.rows)


def part(rows: Sequence[T], start: int) -> Part[T]:
    """Give the part of a list that begins at a row, or at the first one if there is no such row."""
    start = start if start < len(rows) else 0
    return Part(rows[start : start + LISTED], start, len(rows))


def ties(distinct_ids: Sequence[str], explanation: Explanation) -> list[Tie]:
    """Give a row for each id of a person, the surviving one first, then one for each link that joined nothing."""
    reached = _reached(distinct_ids[0], explanation.links)
    ids = [Tie(one, reached.get(one)) for one in distinct_ids]
    listed = {tie.link.id for tie in ids if tie.link}
    return ids + [Tie(None, link) for link in explanation.links if link.id not in listed]


def _reached(survivor: str, links: Sequence[Link]) -> dict[str, Link | None]:
    """Give each id that the links join to the surviving one, with the last link on the way to it."""
    around: dict[str, list[Link]] = defaultdict(list)
    for link in links:
        if link.rule in JOINS:
            around[link.distinct_id].append(link)
            around[link.to].append(link)
    reached: dict[str, Link | None] = {survivor: None}
    frontier = [survivor]
    while frontier:
        here = frontier.pop()
        for link in around[here]:
            there = link.to if link.distinct_id == here else link.distinct_id
            if there not in reached:
                reached[there] = link
                frontier.append(there)
    return reached
