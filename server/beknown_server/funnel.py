"""Funnels: how many persons got how far, in which time (posthog-server §7.3).

Rules:
- Every step lies in the range of days, and within the window of the first step, both ends included.
- ordered: other events may come between. strict: none may. unordered: any order, one window around all of them.
- Events of the same moment are taken in the order of the steps; no event is two steps of one path.
- A path with an excluded event between two of its steps does not count; a person none of whose furthest paths
  counts is not in the funnel at all.
- What selects is a file of questions/. Put together here is only what there is one of for each step that is asked for
  (a column, a condition, a join): how many there are, no file can know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from .asked import MOST_TEXT, Asked, Matching, Range, Values, filled, refuse
from .insights import NONE, TOP, Desk

ORDERS = ("ordered", "strict", "unordered")
ATTRIBUTIONS = ("first_touch", "last_touch", "all_steps", "step")
MOST_STEPS = 20
MOST_EXCLUSIONS = 5
WINDOW_DAYS = 14
DAY = 86_400_000
MOST_PEOPLE = 1000
MOST_ALIKE = 5  # steps of an unordered funnel that one event may be: each set of them is looked at
NEVER = 2**62
STEP, ARRIVAL = 32, 2**62  # more than any step's number (the next beside them), and any event's


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Events that must not come after step ``first`` and before step ``last``."""

    matching: Matching
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Funnel:
    """A funnel that was asked for. ``window`` in milliseconds; ``step``: see _choice."""

    steps: list[Matching]
    days: Range
    window: int
    order: str
    exclusions: list[Exclusion]
    breakdown: str | None
    of_person: bool
    attribution: str
    step: int

    @property
    def is_plain(self) -> bool:
        """Tell whether no event can be two steps, and nothing else depends on how events of one moment are ordered."""
        names = {step.event for step in self.steps}
        return self.order != "strict" and not self.breakdown and None not in names and len(names) == len(self.steps)

    @property
    def is_intricate(self) -> bool:
        """Tell whether exclusions ask to look at every path that ends at an event, not only at the last and the first:
        that one between may be the clean one. In strict order the first does not lead on where the last does."""
        firsts = [one.last for one in self.exclusions if one.first == 1]
        begins_late = any(one.last > last for one in self.exclusions for last in firsts)
        return bool(self.exclusions) and (self.order == "strict" or begins_late)

    @property
    def whole(self) -> Funnel:
        """Give the same without its breakdown: whose value it is may decide how far somebody got."""
        return replace(self, breakdown=None)

    def actor(self, table: str = "") -> str:
        """Give the columns that say whose path it is: a person's, or a person's with a value of the breakdown."""
        place = table + "." if table else ""
        return f"{place}person, {place}value" if self.breakdown else f"{place}person"

    def same(self, one: str, other: str) -> str:
        """Give the condition that two rows are of the same actor."""
        value = f" and {one}.value is not distinct from {other}.value" if self.breakdown else ""
        return f"{one}.person = {other}.person{value}"

    def place(self, k: int) -> str:
        """Give the number by which an event of step ``k`` comes after others: by time, then by the order of the steps,
        then by arrival. Events of one step that cannot be another step need no third."""
        return f"t * {STEP} + {k}" if self.is_plain else f"(t * {STEP} + tie)::hugeint * {ARRIVAL} + seq"


def funnel(desk: Desk, body: Any) -> dict[str, Any]:
    """Give ``{"steps": [...]}``; with a breakdown also ``"breakdown": [{"value", "steps"}]``, the largest first."""
    asked = wanted(desk, body)
    answer = {"steps": _steps(asked, _numbers(desk, asked.whole)[0])}
    if not asked.breakdown:
        return answer
    found = sorted(_numbers(desk, asked), key=lambda row: (-row[1], row[0] is None, row[0]))[:TOP]
    parts = [{"value": NONE if value is None else value, "steps": _steps(asked, own)} for value, *own in found]
    return {**answer, "breakdown": parts}


def people(desk: Desk, body: Any) -> list[int]:
    """Give the numbers of the persons behind a bar, at most MOST_PEOPLE: who did ``step`` (1 ...), or with ``who``
    "dropped" went no further than the one before; of those with ``breakdown_value``, else of all. Raises Unusable."""
    asked, given = wanted(desk, body), Asked(body)
    count, value = len(asked.steps), given.given("breakdown_value")
    if value is None:
        asked = asked.whole
    elif not asked.breakdown:
        refuse("breakdown_value", value, "left out: the funnel has no breakdown")
    elif not isinstance(value, str) or len(value) > MOST_TEXT:
        refuse("breakdown_value", value, f"text of at most {MOST_TEXT} characters, such as the funnel's answer has it")
    step = given.whole("step", 1, least=1, most=count)
    dropped = given.choice("who", ("converted", "dropped"), "converted") == "dropped"
    if dropped and step == 1:
        refuse("step", step, "a step after the first, to see who dropped off before it")
    least, furthest = (step - 1, step - 1) if dropped else (step, count)
    answer = filled("funnel.people", {"of_value": "value is not distinct from $value" if asked.breakdown else "true"})
    more = {"least": least, "furthest": furthest, "most": MOST_PEOPLE, "value": None if value == NONE else value}
    return [row[0] for row in rows(desk, asked, _levels(asked), answer, **more)]


def _numbers(desk: Desk, asked: Funnel) -> list[tuple[Any, ...]]:
    """Give the numbers that _steps takes: one row, or one for each value of the breakdown, the value before them."""
    count = len(asked.steps)
    numbers = [f"count(*) filter (where level >= {k})" for k in range(1, count + 1)]
    numbers += [f"{mean}(s{k} - s{k - 1}) / 1000" for mean in ("median", "avg") for k in range(2, count + 1)]
    fragments = {"by": "value, " if asked.breakdown else "", "numbers": ", ".join(numbers)}
    return rows(desk, asked, _levels(asked), filled("funnel.numbers", fragments))


def _steps(asked: Funnel, numbers: Sequence[Any]) -> list[dict[str, Any]]:
    count = len(asked.steps)
    counts, medians, means = numbers[:count], numbers[count : 2 * count - 1], numbers[2 * count - 1 :]
    return [
        {
            "event": step.label,
            "count": counts[k],
            "conversion_from_previous": _share(counts[k], counts[k - 1] if k else counts[0]),
            "conversion_from_first": _share(counts[k], counts[0]),
            "median_seconds": medians[k - 1] if k else None,
            "average_seconds": means[k - 1] if k else None,
        }
        for k, step in enumerate(asked.steps)
    ]


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def wanted(desk: Desk, body: Any) -> Funnel:
    """Give the funnel that is asked for. Raises Unusable."""
    asked = Asked(body)
    steps = [one.matching() for one in asked.items("steps", most=MOST_STEPS)]
    if len(steps) < 2:
        refuse("steps", [step.label for step in steps], f"a list of 2 to {MOST_STEPS} steps")
    order = asked.choice("order", ORDERS, "ordered")
    exclusions = []
    for one in asked.items("exclusions", most=MOST_EXCLUSIONS):
        first = one.whole("from", 1, least=1, most=len(steps) - 1)
        exclusions.append(
            Exclusion(one.matching(), first, one.whole("to", len(steps), least=first + 1, most=len(steps)))
        )
    if order == "unordered" and exclusions:
        refuse("order", order, "ordered or strict: an exclusion needs a before and an after")
    if order == "unordered" and any(step in steps[:index] for index, step in enumerate(steps)):
        refuse("order", order, "ordered or strict: of two equal steps neither can be missing alone")
    if order == "unordered" and any(len(alike) > MOST_ALIKE for alike in _alike(steps)):
        refuse("order", order, f"ordered or strict: more than {MOST_ALIKE} steps may be the same event")
    return Funnel(
        steps=steps,
        days=asked.range(desk.today),
        window=round(asked.number("window_days", WINDOW_DAYS, least=1 / DAY, most=3650) * DAY),
        order=order,
        exclusions=exclusions,
        breakdown=asked.text("breakdown") if asked.has("breakdown") else None,
        of_person=asked.choice("breakdown_type", ("event", "person"), "event") == "person",
        attribution=asked.choice("attribution", ATTRIBUTIONS, "first_touch"),
        step=asked.whole("attribution_step", 1, least=1, most=len(steps)),
    )


def rows(desk: Desk, asked: Funnel, levels: str, answer: str, **more: Any) -> list[tuple[Any, ...]]:
    """Give the rows of an answer: SQL over ``line`` and what ``levels`` makes of it; ``more``: its values."""
    values = Values()
    count = len(asked.steps)
    flags = [f"({step.sql(values)}) as m{k}" for k, step in enumerate(asked.steps, 1)]
    flags += [f"({one.matching.sql(values)}) as x{k}" for k, one in enumerate(asked.exclusions, 1)]
    wanted = [f"m{k}" for k in range(1, count + 1)] + [f"x{k}" for k, _ in enumerate(asked.exclusions, 1)]
    if asked.breakdown:
        value = values.property_sql(asked.breakdown, person=asked.of_person)
        flags.append(f"nullif({value}, '{NONE}') as v")  # text that says so is none: two bars would have one name
    tie = ""
    if not asked.is_plain:
        flags.append("seq")
        ties = " ".join(f"when m{k} then {k}" for k in range(1, count + 1))
        tie = f", case {ties} else {count + 1} end as tie"
    fragments = {
        "flags": ", ".join(flags),
        "tie": tie,
        "wanted": "true" if asked.order == "strict" else " or ".join(wanted),
        "line": _line(asked),
        "levels": levels,
        "answer": answer,
    }
    start, stop = asked.days.bounds(desk.zone)
    return desk.ask("funnel", fragments, values, start=start, stop=stop, window=asked.window, **more)


def _line(asked: Funnel) -> str:
    source, before = "candidate", ""
    if asked.breakdown:
        source, before = "valued", filled("funnel.line.breakdown", _choice(asked)) + ", "
    name = "funnel.line.strict" if asked.order == "strict" else "funnel.line"
    return before + filled(name, {"actor": asked.actor(), "steps": str(len(asked.steps)), "from": source})


def _choice(asked: Funnel) -> dict[str, str]:
    """Say which values an actor has, and which of its events go with each (posthog-server §7.3, attribution)."""
    is_step = f"tie <= {len(asked.steps)}"
    if asked.attribution in ("first_touch", "last_touch"):
        pick = "arg_min" if asked.attribution == "first_touch" else "arg_max"
        return {"choice": filled("funnel.value.touch", {"pick": pick, "is_step": is_step}), "kept": "true"}
    whose, pinned = ("m1", is_step) if asked.attribution == "all_steps" else (f"m{asked.step}",) * 2
    choice = filled("funnel.value.step", {"whose": whose})
    return {"choice": choice, "kept": f"not ({pinned}) or v is not distinct from value"}


def _levels(asked: Funnel) -> str:
    count = len(asked.steps)
    if asked.order == "unordered":
        firsts = ", ".join(first for alike in _alike(asked.steps) for first in _firsts(alike))
        times = ", ".join(f"times[{k}] as s{k}" for k in range(1, count + 1))
        return filled("funnel.unordered", {"actor": asked.actor(), "firsts": firsts, "times": times})
    texts = _chain(asked, "level", [])
    if asked.exclusions:
        texts += _chain(asked, "clean", [*enumerate(asked.exclusions, 1)])
    path = _clean_path if asked.exclusions else _path
    return ", ".join([*texts, *(path(asked, k) for k in range(1, count + 1)), _chosen(asked)])


def _alike(steps: list[Matching]) -> list[list[int]]:
    """Give the numbers of the steps in groups: one event may be several steps of the same group only."""
    if any(step.event is None for step in steps):
        return [[*range(1, len(steps) + 1)]]
    groups: dict[str | None, list[int]] = {}
    for k, step in enumerate(steps, 1):
        groups.setdefault(step.event, []).append(k)
    return [*groups.values()]


def _firsts(alike: list[int]) -> list[str]:
    """Give the SQL of when one, two ... of these steps were done, each by an event of its own.

    That k of n steps are done takes, of any m among them, m - (n - k) events that are one of these (Hall's theorem).
    """
    if len(alike) == 1:
        return [f"min(t) filter (where m{alike[0]}) over ahead"]
    firsts = []
    for k in range(1, len(alike) + 1):
        missing = len(alike) - k
        times = []
        for some in (some for m in range(missing + 1, len(alike) + 1) for some in combinations(alike, m)):
            least, any_of_them = len(some) - missing, " or ".join(f"m{step}" for step in some)
            times.append(f"coalesce((min(t, {least}) filter (where {any_of_them}) over ahead)[{least}], {NEVER})")
        firsts.append(f"nullif(greatest({', '.join(times)}), {NEVER})")
    return firsts


def _chain(asked: Funnel, name: str, exclusions: list[tuple[int, Exclusion]]) -> list[str]:
    """Give the levels of a chain of paths, without those that an event spoils which comes before their next step."""
    columns, goes_on = f"{asked.actor()}, t", asked.same("b", "a")
    if asked.order == "strict":
        columns, goes_on = columns + ", stretch, was", goes_on + " and b.was = a.stretch"
    texts = []
    for k in range(1, len(asked.steps) + 1):
        text = filled("funnel.level.first", {"columns": columns, "place": asked.place(1)})
        if k > 1:
            begun = [f"a.u{number}" for number, one in exclusions if one.first < k]
            between = [number for number, one in exclusions if one.first < k <= one.last]
            clean = "".join(f" and coalesce(a.u{number} >= b.t, true)" for number in between)
            fragments = {"k": str(k), "j": str(k - 1), "columns": columns, "place": asked.place(k), "goes_on": goes_on}
            fragments |= {"chain": name, "path": ", ".join([*(f"a.s{step}" for step in range(1, k)), *begun])}
            is_every = name == "clean" and asked.is_intricate
            fragments |= {"clean": clean, "actor": asked.actor("b")}
            text = filled("funnel.level.every" if is_every else "funnel.level", fragments)
        for number, one in exclusions:
            if one.first == k:
                fragments = {"number": str(number), "first": str(k), "from": text}
                text = filled("funnel.until", {**fragments, "actor": asked.actor(), "same": asked.same("b", "w")})
        texts.append(f"{name}{k} as ({text})")
    return texts


def _times(k: int) -> str:
    return ", ".join([*(f"arg_min(s{step}, place) as s{step}" for step in range(1, k)), f"min(s{k}) as s{k}"])


def _path(asked: Funnel, k: int) -> str:
    return filled("funnel.path", {"k": str(k), "actor": asked.actor(), "times": _times(k), "from": f"level{k}"})


def _clean_path(asked: Funnel, k: int) -> str:
    """Give who got to step ``k``; a path that ends there is clean if nothing spoils it in the rest of its window."""
    source = f"clean{k}"
    ending = [(number, one.first == 1) for number, one in enumerate(asked.exclusions, 1) if one.first <= k < one.last]
    over = "coalesce(b.u{} > {}.s1 + $window, true)"
    kept = [over.format(number, "b") for number, _ in ending]
    if asked.is_intricate:
        fragments = {"k": str(k), "actor": asked.actor("b"), "kept": " and ".join(["true", *kept])}
        source = f"({filled('funnel.kept', fragments)})"
    elif ending:
        earlier = [over.format(number, "g") for number, of_start in ending if not of_start]
        fragments = {
            "kept": " and ".join(kept),
            "earlier": " and ".join(["true", *earlier]),
            "good": " and ".join(["true", *(over.format(number, "b") for number, of_start in ending if of_start)]),
        }
        names = {"actor": asked.actor(), "same": asked.same("b", "g"), "from": f"clean{k}"}
        source = f"({filled('funnel.rescue', fragments | names)})"
    names = {"k": str(k), "actor": asked.actor("a"), "columns": asked.actor(), "same": asked.same("a", "b")}
    return filled("funnel.path.clean", {**names, "times": _times(k), "from": source})


def _chosen(asked: Funnel) -> str:
    """Put the paths of all lengths together: who is in path{k} got to step k, and s{k} is null if no path counts."""
    count = len(asked.steps)
    deeper = [f"left join path{k} on {asked.same('path1', f'path{k}')}" for k in range(2, count + 1)]
    level = " ".join(f"when path{k}.person is not null then {k}" for k in range(count, 1, -1))
    times = []
    for step in range(1, count + 1):
        found = [f"when path{k}.person is not null then path{k}.s{step}" for k in range(count, max(step, 2) - 1, -1)]
        times.append(f"case {' '.join(found)} else {'path1.s1' if step == 1 else 'null'} end as s{step}")
    fragments = {"actor": asked.actor("path1"), "level": f"case {level} else 1 end", "times": ", ".join(times)}
    return filled("funnel.chosen", {**fragments, "deeper": " ".join(deeper)})
