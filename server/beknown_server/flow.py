"""Ways from page to page as a picture: a column for each step, a bar for each page, bands between them.

Rules:
- Pure, and in pixels: drawn on the server, so that it is there without JavaScript. The table below it says the same.
- A column shows the MOST pages with the most visits; the rest is one bar, "other pages".
- A bar is as high as its visits; what leaves it nowhere is where sessions ended.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MOST = 6
OTHER = "other pages"
LONGEST = 18  # characters of a label; the end of a path says more than its beginning
COLUMN, LAST, BAR = 146, 150, 10  # from one column to the next, room for the last one's labels, a bar's width
HEIGHT = 260  # of the highest column's bars together
LINE, GAP = 32, 12  # a bar's label needs LINE; GAP lies between bars
TOP, BOTTOM = 26, 12
END = 14  # how far it is drawn that a session ended


@dataclass(slots=True)
class Bar:
    """A page at a step: where it stands, what it is called, its visits, and how many of them ended there."""

    page: str
    visits: int
    x: float
    y: float = 0.0
    height: float = 0.0
    out: float = field(default=0.0)  # height that bands have taken on the right
    into: float = field(default=0.0)  # and on the left

    @property
    def label(self) -> str:
        """Give the page's name, cut at its beginning."""
        return self.page if len(self.page) <= LONGEST else "…" + self.page[1 - LONGEST :]


@dataclass(frozen=True, slots=True)
class Band:
    """Visits that went from one bar to another, as the outline of an SVG path."""

    source: str
    target: str
    visits: int
    outline: str


@dataclass(frozen=True, slots=True)
class End:
    """The part of a bar where sessions ended."""

    visits: int
    x: float
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Flow:
    """The whole picture; ``steps`` gives where each column's heading stands."""

    width: float
    height: float
    steps: Sequence[float]
    bars: Sequence[Bar]
    bands: Sequence[Band]
    ends: Sequence[End]


def flow_of(ways: Iterable[Mapping[str, Any]]) -> Flow | None:
    """Give the picture of an answer's ways (``step``, ``from``, ``to``, ``visits``), or None if there are none."""
    columns = _columns(ways := list(ways))
    if not columns:
        return None
    scale = HEIGHT / max(sum(column.values()) for column in columns)
    bars = [_stacked(column, place * COLUMN, scale) for place, column in enumerate(columns)]
    bands = [band for place in range(len(columns) - 1) for band in _bands(ways, place, bars, scale)]
    every = [bar for column in bars for bar in column.values()]
    last = {bar.x for bar in every if bar.x == (len(columns) - 1) * COLUMN}
    ends = [_end(bar, scale) for bar in every if bar.x not in last and bar.height - bar.out > 0.5]
    return Flow(
        width=(len(columns) - 1) * COLUMN + LAST,
        height=max(bar.y + max(bar.height, LINE) for bar in every) + BOTTOM,
        steps=[place * COLUMN for place in range(len(columns))],
        bars=every,
        bands=bands,
        ends=ends,
    )


def _columns(ways: Sequence[Mapping[str, Any]]) -> list[Counter[str]]:
    """Give each step's pages with their visits, the small ones as one; the last column is where the last step led."""
    found: dict[int, Counter[str]] = defaultdict(Counter)
    last = max((way["step"] for way in ways), default=0)
    for way in ways:
        found[way["step"]][way["from"]] += way["visits"]
        if way["step"] == last and way["to"] is not None:
            found[last + 1][way["to"]] += way["visits"]
    columns = []
    for _, pages in sorted(found.items()):
        column = Counter(dict(pages.most_common(MOST)))
        if rest := pages.total() - column.total():
            column[OTHER] += rest
        columns.append(column)
    return columns


def _stacked(column: Counter[str], x: float, scale: float) -> dict[str, Bar]:
    bars, y = {}, float(TOP)
    for page, visits in sorted(column.items(), key=lambda item: (item[0] == OTHER, -item[1], item[0])):
        bar = bars[page] = Bar(page, visits, x, y, max(2.0, visits * scale))
        y += max(bar.height, LINE) + GAP
    return bars


def _bands(
    ways: Sequence[Mapping[str, Any]], place: int, bars: Sequence[dict[str, Bar]], scale: float
) -> Iterable[Band]:
    here, there = bars[place], bars[place + 1]
    moved = Counter[tuple[str, str]]()
    for way in ways:
        if way["step"] == place + 1 and way["to"] is not None:
            source = way["from"] if way["from"] in here else OTHER
            moved[source, way["to"] if way["to"] in there else OTHER] += way["visits"]
    # The answer names so many ways and no more: where the next step has none of a page's, its band is left out.
    wanted = [(here[a], there[b], visits) for (a, b), visits in moved.items() if a in here and b in there]
    for source, target, visits in sorted(wanted, key=lambda one: (one[0].y, one[1].y)):
        height = visits * scale
        yield Band(source.page, target.page, visits, _outline(source, target, height))
        source.out += height
        target.into += height


def _outline(source: Bar, target: Bar, height: float) -> str:
    x1, x2 = source.x + BAR, target.x
    y1, y2 = source.y + source.out, target.y + target.into
    there, back = _bend(x1, y1, x2, y2), _bend(x2, y2 + height, x1, y1 + height)
    return f"M{_point(x1, y1)}C{there}L{_point(x2, y2 + height)}C{back}Z"


def _bend(x1: float, y1: float, x2: float, y2: float) -> str:
    middle = (x1 + x2) / 2
    return f"{_point(middle, y1)} {_point(middle, y2)} {_point(x2, y2)}"


def _point(x: float, y: float) -> str:
    return f"{x:g} {y:.1f}"


def _end(bar: Bar, scale: float) -> End:
    return End(round((bar.height - bar.out) / scale), bar.x + BAR, bar.y + bar.out, bar.height - bar.out)
