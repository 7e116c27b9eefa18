"""Funnels, the slow and obvious way: every path there is, looked for everywhere; no code of the server's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date

from .reference import Rich, Seen, by_person, day

Wrong = Sequence[tuple[str, int, int]]  # exclusions: the event, after which step, before which


def moments(mine: list[Seen], steps: Sequence[str]) -> list[list[Seen]]:
    """One person's events by moment; within a moment in the order of the steps, what is no step last."""
    order = {name: place for place, name in reversed(list(enumerate(steps)))}
    grouped: dict[int, list[Seen]] = {}
    for one in mine:
        grouped.setdefault(one.at, []).append(one)
    return [sorted(grouped[at], key=lambda one: order.get(one.name, len(steps))) for at in sorted(grouped)]


def every_path(
    mine: list[Seen], steps: Sequence[str], window: int, *, strict: bool = False
) -> Iterator[list[tuple[int, int]]]:
    """Every path there is: the place and the time of each of its steps.

    ``strict``: no path leads past an event, but past several of one moment, whose order is not looked at.
    """
    line, ends = [], []
    for moment in moments(mine, steps):
        line += moment
        ends += [strict and (len(moment) == 1 or all(one.name not in steps for one in moment))] * len(moment)

    def onwards(path: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
        if path:
            yield path
        for place in range(path[-1][0] + 1 if path else 0, len(line)):
            one = line[place]
            is_next = len(path) < len(steps) and one.name == steps[len(path)]
            if is_next and (not path or one.at - path[0][1] <= window):
                yield from onwards([*path, (place, one.at)])
            if path and ends[place]:
                return

    return onwards([])


def chosen(events: list[Seen], steps: Sequence[str], window: int, *, strict: bool = False) -> list[list[int]]:
    """For each person who began, the times on the furthest path, the first of its length."""
    found = []
    for mine in by_person(events).values():
        # Of those that end at the same event, the latest.
        every = sorted(every_path(mine, steps, window, strict=strict), reverse=True)
        paths = [[at for _, at in path] for path in sorted(every, key=lambda one: one[-1])]
        if paths:
            furthest = max(map(len, paths))
            found.append(next(path for path in paths if len(path) == furthest))
    return found


def lengths(
    events: list[Seen], steps: Sequence[str], window: int, wrong: Wrong = (), *, strict: bool = False
) -> list[int]:
    """How far each person got on the furthest clean path; a person whose furthest paths are all tainted is left out."""
    found = []
    for mine in by_person(events).values():
        paths = [[at for _, at in path] for path in every_path(mine, steps, window, strict=strict)]
        furthest = max(map(len, paths), default=0)

        def is_clean(path: list[int], mine: list[Seen] = mine) -> bool:
            for name, first, last in wrong:
                if len(path) >= first:
                    until = path[last - 1] - 1 if len(path) >= last else path[0] + window
                    if any(one.name == name and path[first - 1] < one.at <= until for one in mine):
                        return False
            return True

        if furthest and any(len(path) == furthest and is_clean(path) for path in paths):
            found.append(furthest)
    return found


def unordered(events: list[Seen], steps: Sequence[str], window: int) -> list[int]:
    """Per person, the most different steps within one window."""
    found = []
    for mine in by_person(events).values():
        most = 0
        for start in mine:
            most = max(most, len({one.name for one in mine if 0 <= one.at - start.at <= window} & set(steps)))
        if most:
            found.append(most)
    return found


def bars(lengths: Iterable[int], steps: int) -> list[int]:
    every = list(lengths)
    return [sum(length >= k for length in every) for k in range(1, steps + 1)]


def times(paths: list[list[int]], steps: int, middle: Callable[[Sequence[float]], float]) -> list[float | None]:
    """Give the mean or the median of the seconds from each step to the next."""
    found: list[float | None] = [None]
    for k in range(1, steps):
        seconds = [(path[k] - path[k - 1]) / 1000 for path in paths if len(path) > k]
        found.append(middle(seconds) if seconds else None)
    return found


def along_time(
    events: list[Seen], steps: Sequence[str], window: int, days: Sequence[date], *, strict: bool
) -> tuple[list[int], list[int]]:
    """Give who entered on each day, and who got from an entry on that day to the end."""
    entered, converted = set(), set()
    for who, mine in by_person(events).items():
        for path in every_path(mine, steps, window, strict=strict):
            entered.add((who, day(path[0][1])))
            if len(path) == len(steps):
                converted.add((who, day(path[0][1])))
    return tuple([sum(at == each for _, at in found) for each in days] for found in (entered, converted))


def broken_down(
    events: list[Rich],
    steps: Sequence[str],
    window: int,
    attribution: str,
    step: int = 1,
    *,
    wrong: Wrong = (),
    strict: bool = False,
    value_of: Callable[[Rich], str] = lambda one: one.plan,
) -> dict[str, list[int]]:
    """Give the bars per value, by whose value counts (posthog-server §7.3)."""
    order = {name: place for place, name in reversed(list(enumerate(steps)))}
    found: dict[str, list[int]] = {}
    for who in {one.person for one in events}:
        mine = sorted(
            (one for one in events if one.person == who), key=lambda one: (one.at, order.get(one.name, 9), one.seq)
        )
        with_value = [one for one in mine if one.name in order and value_of(one)]
        if attribution in ("first_touch", "last_touch"):
            touch = with_value[:1] if attribution == "first_touch" else with_value[-1:]
            values, pinned = {value_of(one) for one in touch} or {""}, ()
        else:
            first = steps[0] if attribution == "all_steps" else steps[step - 1]
            values = {value_of(one) for one in mine if one.name == first}
            pinned = tuple(steps) if attribution == "all_steps" else (first,)
        for value in values:
            line = [Seen(one.at, one.name, who) for one in mine if one.name not in pinned or value_of(one) == value]
            found.setdefault(value, []).extend(lengths(line, steps, window, wrong, strict=strict))
    return {value: bars(every, len(steps)) for value, every in found.items() if every}
