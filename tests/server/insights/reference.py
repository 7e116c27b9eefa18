"""The numbers, the slow and obvious way: loops over events in order, sharing no code with the server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from statistics import median
from typing import Any, NamedTuple


class Seen(NamedTuple):
    """One event with the person that it belongs to in the end."""

    at: int
    name: str
    person: str


def day(at: int) -> date:
    return datetime.fromtimestamp(at / 1000, UTC).date()


def dau(events: Iterable[Seen], days: Sequence[date]) -> list[int]:
    return [len({one.person for one in events if day(one.at) == each}) for each in days]


def trailing(events: Iterable[Seen], days: Sequence[date], length: int) -> list[int]:
    """Persons with an event in the ``length`` calendar days that end with each day."""
    found = []
    for each in days:
        window = {each - timedelta(days=back) for back in range(length)}
        found.append(len({one.person for one in events if day(one.at) in window}))
    return found


def by_person(events: Iterable[Seen]) -> dict[str, list[Seen]]:
    found: dict[str, list[Seen]] = {}
    for one in sorted(events):
        found.setdefault(one.person, []).append(one)
    return found


def moments(mine: list[Seen], steps: Sequence[str]) -> list[list[Seen]]:
    """One person's events by moment; within a moment in the order of the steps, what is no step last."""
    order = {name: place for place, name in reversed(list(enumerate(steps)))}
    grouped: dict[int, list[Seen]] = {}
    for one in mine:
        grouped.setdefault(one.at, []).append(one)
    return [sorted(grouped[at], key=lambda one: order.get(one.name, len(steps))) for at in sorted(grouped)]


def walk(mine: list[Seen], steps: Sequence[str], window: int, *, strict: bool) -> list[list[int]]:
    """Every path that was ever reached, as the times of its steps, in the order of being reached."""
    best: list[list[int] | None] = [None] * len(steps)
    reached = []
    for moment in moments(mine, steps):
        calm = len(moment) == 1 or all(one.name not in steps for one in moment)
        for one in moment:
            new: list[list[int] | None] = [None] * len(steps)
            for k in range(len(steps) - 1, -1, -1):
                if one.name != steps[k]:
                    continue
                before = best[k - 1] if k else []
                if before is not None and (not before or one.at - before[0] <= window):
                    new[k] = [*before, one.at]
            reached += [path for path in new if path]
            keep = [None] * len(steps) if strict and calm else best
            best = [fresh or old for fresh, old in zip(new, keep, strict=True)]
    return reached


def every_path(mine: list[Seen], steps: Sequence[str], window: int) -> Iterator[list[tuple[int, int]]]:
    """Every path there is, looked for everywhere: the place and the time of each of its steps."""
    line = [one for moment in moments(mine, steps) for one in moment]

    def onwards(path: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
        if path:
            yield path
        for place in range(path[-1][0] + 1 if path else 0, len(line)):
            one = line[place]
            is_next = len(path) < len(steps) and one.name == steps[len(path)]
            if is_next and (not path or one.at - path[0][1] <= window):
                yield from onwards([*path, (place, one.at)])

    return onwards([])


def ordered(events: list[Seen], steps: Sequence[str], window: int, *, strict: bool = False) -> list[list[int]]:
    """For each person who began, the times on the furthest path, the first of its length."""
    found = []
    for mine in by_person(events).values():
        if strict:
            paths = walk(mine, steps, window, strict=True)
        else:  # of those that end at the same event, the latest
            every = sorted(every_path(mine, steps, window), reverse=True)
            paths = [[at for _, at in path] for path in sorted(every, key=lambda one: one[-1])]
        if paths:
            furthest = max(map(len, paths))
            found.append(next(path for path in sorted(paths, key=lambda one: one[-1]) if len(path) == furthest))
    return found


def excluding(
    events: list[Seen], steps: Sequence[str], window: int, wrong: Sequence[tuple[str, int, int]]
) -> list[int]:
    """How far each person got on the furthest clean path; a person whose furthest paths are all tainted is left out."""
    found = []
    for mine in by_person(events).values():
        paths = [[at for _, at in path] for path in every_path(mine, steps, window)]
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


def medians(paths: list[list[int]], steps: int) -> list[float | None]:
    found: list[float | None] = [None]
    for k in range(1, steps):
        times = [(path[k] - path[k - 1]) / 1000 for path in paths if len(path) > k]
        found.append(median(times) if times else None)
    return found


def retention(
    events: list[Seen], first: date, periods: int, target: str, returning: str, *, once: bool
) -> list[list[int]]:
    """Daily cohorts: who did the target on a day (``once``: for the first time ever), and came back k days later."""
    table = []
    people = by_person(events)
    for cohort in range(periods):
        start = first + timedelta(days=cohort)
        members = []
        for who, mine in people.items():
            did = [day(one.at) for one in mine if one.name == target]
            if did and ((did[0] == start) if once else (start in did)):
                members.append(who)
        row = [len(members)]
        for k in range(1, periods):
            later = start + timedelta(days=k)
            row.append(
                sum(any(day(one.at) == later and one.name == returning for one in people[who]) for who in members)
            )
        table.append(row)
    return table


def lifecycle(events: list[Seen], days: Sequence[date], kept: int = 0) -> dict[str, list[int]]:
    """``kept``: events from before this time were forgotten since, and say only how long a person is known."""
    born = {who: day(mine[0].at) for who, mine in by_person(events).items()}
    found: dict[str, list[int]] = {state: [] for state in ("new", "returning", "resurrecting", "dormant")}
    active = {who: {day(one.at) for one in mine if one.at >= kept} for who, mine in by_person(events).items()}
    for each in days:
        before = each - timedelta(days=1)
        now = [who for who in active if each in active[who]]
        new = [who for who in now if born[who] == each]
        found["new"].append(len(new))
        found["returning"].append(sum(before in active[who] for who in now if who not in new))
        found["resurrecting"].append(sum(before not in active[who] for who in now if who not in new))
        found["dormant"].append(-sum(before in active[who] and each not in active[who] for who in active))
    return found


def stickiness(events: list[Seen], days: Sequence[date]) -> list[int]:
    counts = [len({day(one.at) for one in mine} & set(days)) for mine in by_person(events).values()]
    return [counts.count(number) for number in range(1, len(days) + 1)]


# With what an event carries ------------------------------------------------------------------------------------


class Rich(NamedTuple):
    """One event with what it carries; ``seq`` counts arrivals, "" and None are nothing."""

    at: int
    seq: int
    name: str
    person: str
    plan: str
    amount: int | None
    session: str


def local(at: int, zone: tzinfo) -> date:
    return datetime.fromtimestamp(at / 1000, zone).date()


def week(day: date, *, sunday: bool) -> date:
    """Give the first day of a day's week."""
    while day.weekday() != (6 if sunday else 0):
        day -= timedelta(days=1)
    return day


def percentile(values: Sequence[float], share: float) -> float | None:
    """Give the value at a share of the way through the sorted values, between neighbours in proportion."""
    if not values:
        return None
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def first_time(
    events: Iterable[Rich], names: str, plan: str | None, days: Sequence[date], *, matching: bool
) -> list[int]:
    """Persons whose earliest event of a name falls on a day: among those with the plan, or if the earliest has it."""
    earliest: dict[str, Rich] = {}
    for one in sorted(events):
        if one.name in names and (not matching or plan is None or one.plan == plan):
            earliest.setdefault(one.person, one)
    passing = [one for one in earliest.values() if plan is None or one.plan == plan]
    return [sum(day(one.at) == each for one in passing) for each in days]


def kept(events: Iterable[Rich], least: int, interval: Callable[[int], Any]) -> dict[str, set[Any]]:
    """Give for each person the intervals with so many events at least."""
    counts: dict[tuple[str, Any], int] = {}
    for one in events:
        counts[one.person, interval(one.at)] = counts.get((one.person, interval(one.at)), 0) + 1
    found: dict[str, set[Any]] = {}
    for (person, at), number in counts.items():
        if number >= least:
            found.setdefault(person, set()).add(at)
    return found


def retained(
    target: dict[str, set[date]], returning: dict[str, set[date]], periods: Sequence[date], *, on_or_after: bool
) -> list[list[int]]:
    """Cohorts by period; ``periods`` reaches as far as the last cohort is followed."""
    count = len(periods) // 2
    table = []
    for cohort in range(count):
        members = [who for who, when in target.items() if periods[cohort] in when]
        row = [len(members)]
        for k in range(1, count):
            until = count if on_or_after else k + 1
            later = {periods[cohort + step] for step in range(k, until)}
            row.append(sum(bool(returning.get(who, set()) & later) for who in members))
        table.append(row)
    return table


def converts(mine: list[Seen], steps: Sequence[str], window: int, entry: int) -> bool:
    """Whether there is any way from this event to the last step, looked for everywhere."""
    line = [one for moment in moments(mine, steps) for one in moment]
    start = next(place for place, one in enumerate(line) if one is mine[entry])

    def goes_on(place: int, step: int) -> bool:
        if step == len(steps):
            return True
        return any(
            line[later].name == steps[step] and line[later].at - line[start].at <= window and goes_on(later, step + 1)
            for later in range(place + 1, len(line))
        )

    return goes_on(start, 1)


def broken_down(
    events: list[Rich], steps: Sequence[str], window: int, attribution: str, step: int
) -> dict[str, list[int]]:
    """Give the bars per value of the plan, by whose value counts (posthog-server §7.3)."""
    order = {name: place for place, name in reversed(list(enumerate(steps)))}
    lengths: dict[str, list[int]] = {}
    for who in {one.person for one in events}:
        mine = sorted(
            (one for one in events if one.person == who), key=lambda one: (one.at, order.get(one.name, 9), one.seq)
        )
        with_value = [one for one in mine if one.name in order and one.plan]
        if attribution in ("first_touch", "last_touch"):
            chosen = with_value[:1] if attribution == "first_touch" else with_value[-1:]
            values, pinned = {one.plan for one in chosen} or {""}, ()
        else:
            first = steps[0] if attribution == "all_steps" else steps[step - 1]
            values = {one.plan for one in mine if one.name == first}
            pinned = tuple(steps) if attribution == "all_steps" else (first,)
        for value in values:
            line = [Seen(one.at, one.name, who) for one in mine if one.name not in pinned or one.plan == value]
            for path in ordered(line, steps, window):
                lengths.setdefault(value, []).append(len(path))
    return {value: bars(found, len(steps)) for value, found in lengths.items()}


def ways(events: Iterable[Rich]) -> dict[tuple[int, str, str | None], int]:
    """How often which page (the plan) was followed by which within a session; the same page in a row is one."""
    found: dict[tuple[int, str, str | None], int] = {}
    sessions: dict[str, list[str]] = {}
    for one in sorted(events):
        if one.session and one.plan:
            pages = sessions.setdefault(one.session, [])
            if not pages or pages[-1] != one.plan:
                pages.append(one.plan)
    for pages in sessions.values():
        for place, page in enumerate(pages):
            key = (place + 1, page, pages[place + 1] if place + 1 < len(pages) else None)
            found[key] = found.get(key, 0) + 1
    return found
