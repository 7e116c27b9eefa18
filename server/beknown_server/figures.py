"""An answer of the engine as a page and a spreadsheet show it: a table, and what its chart or bars need besides.

Rules:
- Pure. The table is the whole answer; a chart draws nothing that its table does not say.
- A missing number is None and shown as nothing, never as 0.
- What came from outside and begins like a formula is quoted in CSV: spreadsheets would run it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .display import bucket, label
from .visits import PLACES

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Table:
    """Names of columns, and rows of text and numbers."""

    head: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def csv(self) -> str:
        """Give it as CSV with a head."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerows([[_plain(cell) for cell in row] for row in (self.head, *self.rows)])
        return text.getvalue()


@dataclass(frozen=True, slots=True)
class Step:
    """One bar of a funnel; shares are 0 to 1, ``lost`` is how many came to the step before and not to this one."""

    event: str
    count: int
    share: float
    of_previous: float
    lost: int
    seconds: float | None  # median, and the mean
    average: float | None


def table_of(kind: str, answer: dict[str, Any]) -> Table:
    """Give the table of an answer of this kind."""
    return {
        "trends": _trends,
        "lifecycle": series_of,
        "funnel": _steps,
        "retention": _cohorts,
        "stickiness": _stickiness,
        "paths": _ways,
        "sessions": _sessions,
    }[kind](answer)


def series_of(answer: dict[str, Any]) -> Table:
    """Give numbers by interval."""
    columns = [one["data"] for one in answer["series"]]
    rows = [[name, *values] for name, *values in zip(answer["labels"], *columns, strict=True)]
    return Table(["date", *(one["label"] for one in answer["series"])], rows)


def steps_of(steps: Sequence[dict[str, Any]]) -> list[Step]:
    """Give a funnel's bars."""
    found: list[Step] = []
    for index, step in enumerate(steps):
        before = steps[index - 1]["count"] if index else step["count"]
        found.append(
            Step(
                event=step["event"] or "All events",
                count=step["count"],
                share=step["conversion_from_first"] or 0,
                of_previous=step["conversion_from_previous"] or 0,
                lost=before - step["count"],
                seconds=step.get("median_seconds"),
                average=step.get("average_seconds"),
            )
        )
    return found


def groups_of(answer: dict[str, Any]) -> list[tuple[str | None, list[Step]]]:
    """Give a funnel's bars, of no value, and those of each value of its breakdown."""
    broken_down = [(one["value"], steps_of(one["steps"])) for one in answer.get("breakdown", [])]
    return [(None, steps_of(answer["steps"])), *broken_down]


def chart_of(kind: str, answer: dict[str, Any], *, interval: str, most: int, is_partial: bool) -> dict[str, Any]:
    """Give what charts.js draws: at most ``most`` series; ``is_partial``: the last interval is not over yet."""
    return {
        "style": "stack" if kind == "lifecycle" else "lines",
        "labels": [bucket(name, interval) for name in answer["labels"]],
        "series": [{"label": label(one["label"]), "data": one["data"]} for one in answer["series"][:most]],
        "partial": is_partial,
    }


def sticky_of(answer: dict[str, Any], *, interval: str) -> dict[str, Any]:
    """Give the chart of a stickiness: a bar for each number of intervals."""
    labels = [f"{number} {interval}{'' if number == 1 else 's'}" for number in answer["labels"]]
    return {"style": "stack", "labels": labels, "series": [{"label": "People", "data": answer["data"]}]}


@dataclass(frozen=True, slots=True)
class Between:
    """Where a count and its interval stand on a scale that begins at 0, in per cent of its length."""

    low: float
    middle: float
    high: float


def between(low: int, middle: int, high: int) -> Between:
    """Give the places of an interval on a scale that reaches a little beyond its high end."""
    longest = 1.12 * max(high, 1)
    return Between(*(round(100 * number / longest, 2) for number in (low, middle, high)))


def weeks_of(weeks: Sequence[dict[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """Give the chart of the ladder by week, in per cent, a series for each rung, without weeks that had no events."""
    seen = [week for week in weeks if any(week["ladder"].values())]
    rungs = enumerate(names, 1)
    return {
        "style": "stack",
        "labels": [bucket(week["start"], "week") for week in seen],
        "series": [{"label": name, "data": [100 * week["ladder"][str(n)] for week in seen]} for n, name in rungs],
        "partial": True,
        "unit": "%",
    }


def _trends(answer: dict[str, Any]) -> Table:
    """Give the intervals, and the whole range where that is counted: of people it is not their sum."""
    table = series_of(answer)
    totals = [["total", *(one["number"] for one in answer["totals"])]] if "totals" in answer else []
    return Table(table.head, [*table.rows, *totals])


def _steps(answer: dict[str, Any]) -> Table:
    names = ["event", "count", "conversion_from_previous", "conversion_from_first", "median_seconds", "average_seconds"]
    groups = [{"value": "", "steps": answer["steps"]}, *answer.get("breakdown", [])]
    rows = [
        [group["value"], number, *(step.get(name) for name in names)]
        for group in groups
        for number, step in enumerate(group["steps"], 1)
    ]
    return Table(["breakdown", "step", *names], rows)


def _cohorts(answer: dict[str, Any]) -> Table:
    """Give a row for each cohort, in persons, and last their mean, in shares; ``unfinished``: its last number is."""
    cohorts, longest = answer["cohorts"], len(answer["mean"])
    rows = [
        [one["start"], one["size"], one["unfinished"], *one["values"], *[None] * (longest - len(one["values"]))]
        for one in cohorts
    ]
    mean = ["mean", sum(one["size"] for one in cohorts), None, *answer["mean"]]
    return Table(["start", "size", "unfinished", *(str(number) for number in range(longest))], [*rows, mean])


def _stickiness(answer: dict[str, Any]) -> Table:
    return Table(["intervals", "persons"], [*zip(answer["labels"], answer["data"], strict=True)])


def _ways(answer: dict[str, Any]) -> Table:
    names = ["step", "from", "to", "visits", "persons"]
    return Table(names, [[way[name] for name in names] for way in answer["ways"]])


def _sessions(answer: dict[str, Any]) -> Table:
    """Give a row for all, and one for each entry, exit and source, of which less is counted."""
    names = ["sessions", "bounced", "bounce_rate", "persons", "average_seconds", "median_seconds", "views_per_session"]
    rows = [["all", None, *(answer.get(name) for name in names)]]
    for place in PLACES:
        for one in answer[place]:
            known = one | {"bounce_rate": one["bounced"] / one["sessions"]}
            rows.append([place, one["value"], *(known.get(name) for name in names)])
    return Table(["what", "value", *names], rows)


def _plain(cell: Any) -> Any:
    return "'" + cell if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
