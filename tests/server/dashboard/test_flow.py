"""The picture of the ways: nothing is drawn that is not in the answer, and what goes in comes out or ends."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

from beknown_server import flow
from hypothesis import given
from hypothesis import strategies as st

VISITS = st.lists(st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=6), min_size=1, max_size=40)


def ways_of(visits: list[list[str]], steps: int) -> list[dict[str, Any]]:
    """Give what paths.sql answers for sessions that saw these pages."""
    counted = Counter[tuple[int, str, str | None]]()
    for pages in visits:
        for step, (here, there) in enumerate(zip(pages, [*pages[1:], None], strict=True), 1):
            if step <= steps:
                counted[step, here, there] += 1
    return [{"step": step, "from": a, "to": b, "visits": n, "persons": n} for (step, a, b), n in counted.items()]


@given(VISITS, st.integers(1, 5))
def test_bars_hold_every_visit_and_bands_and_ends_hold_every_bar(visits: list[list[str]], steps: int) -> None:
    drawn = flow.flow_of(ways_of(visits, steps))
    assert drawn is not None
    places = sorted({bar.x for bar in drawn.bars})
    for place, x in enumerate(places):
        column = [bar for bar in drawn.bars if bar.x == x]
        assert sum(bar.visits for bar in column) == sum(len(pages) > place for pages in visits)
        assert len(column) <= flow.MOST + 1
        assert all(a.y + a.height < b.y for a, b in pairwise(column)), "no bar covers another"
        assert all(bar.y + bar.height <= drawn.height for bar in column)
    if len(places) == 1:
        return  # nothing to go to: it is not drawn that everybody ended there
    ended = sum(end.visits for end in drawn.ends)
    assert ended == sum(len(pages) < len(places) for pages in visits)
    assert ended + sum(bar.visits for bar in drawn.bars if bar.x == places[-1]) == len(visits)
    for bar in drawn.bars:
        assert bar.into <= bar.height + 0.5
        assert bar.out <= bar.height + 0.5


def test_no_ways_no_picture() -> None:
    assert flow.flow_of([]) is None


def test_a_long_page_keeps_its_end() -> None:
    drawn = flow.flow_of(ways_of([["/a/very/long/path/to/setup"]], 1))
    assert drawn is not None
    assert drawn.bars[0].label.startswith("…")
    assert drawn.bars[0].label.endswith("/to/setup")
    assert len(drawn.bars[0].label) == flow.LONGEST
