"""Funnels: how many persons got how far, in which time (posthog-server §7.3).

Rules:
- Every step lies in the range of days, and within the window of the first step, both ends included.
- ordered: other events may come between. strict: none may. unordered: any order, one window around all of them.
- Events of the same moment are taken in the order of the steps; no event is two steps of one path.
- A path with an excluded event between two of its steps does not count; a person none of whose furthest paths
  counts is not in the funnel at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .asked import Asked, Matching, Range, Values, filled, refuse
from .insights import NONE, TOP, Desk

ORDERS = ("ordered", "strict", "unordered")
ATTRIBUTIONS = ("first_touch", "last_touch", "all_steps", "step")
MOST_STEPS = 20
MOST_EXCLUSIONS = 5
WINDOW_DAYS = 14
DAY = 86_400_000
MOST_PEOPLE = 1000


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


def funnel(desk: Desk, body: Any) -> dict[str, Any]:
    """Give ``{"steps": [...]}``; with a breakdown also ``"breakdown": [{"value", "steps"}]``, the largest first."""
    asked = _asked(desk, body)
    count = len(asked.steps)
    numbers = [f"count(*) filter (where level >= {k})" for k in range(1, count + 1)]
    times = [f"times[{k}] - times[{k - 1}]" for k in range(2, count + 1)]
    numbers += [f"median({time}) / 1000" for time in times] + [f"avg({time}) / 1000" for time in times]
    by = "value, " if asked.breakdown else ""
    answer = f"select {by}{', '.join(numbers)} from chosen" + (" group by value" if by else "")
    rows = _rows(desk, asked, answer)
    if not asked.breakdown:
        return {"steps": _steps(asked, list(rows[0]))}
    rows.sort(key=lambda row: (-row[1], row[0] is None, row[0]))
    shown = [{"value": NONE if row[0] is None else row[0], "steps": _steps(asked, list(row[1:]))} for row in rows]
    whole = Funnel(asked.steps, asked.days, asked.window, asked.order, asked.exclusions, None, False, "", 0)
    all_numbers = _rows(desk, whole, f"select {', '.join(numbers)} from chosen")[0]
    return {"steps": _steps(asked, list(all_numbers)), "breakdown": shown[:TOP]}


def people(desk: Desk, body: Any) -> list[int]:
    """Give the numbers of the persons behind a bar: who did ``step`` (1 ...), or with ``dropped`` who went no further
    than the one before."""
    asked = _asked(desk, body)
    step = Asked(body).whole("step", 1, least=1, most=len(asked.steps))
    dropped = Asked(body).choice("who", ("converted", "dropped"), "converted") == "dropped"
    if dropped and step == 1:
        refuse("step", step, "a step after the first, to see who dropped off before it")
    condition = f"level = {step - 1}" if dropped else f"level >= {step}"
    answer = f"select distinct person from chosen where {condition} order by person limit {MOST_PEOPLE}"
    return [row[0] for row in _rows(desk, asked, answer)]


def _steps(asked: Funnel, numbers: list[Any]) -> list[dict[str, Any]]:
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


def _asked(desk: Desk, body: Any) -> Funnel:
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


def _rows(desk: Desk, asked: Funnel, answer: str) -> list[tuple[Any, ...]]:
    values = Values()
    count = len(asked.steps)
    flags = [f"({step.sql(values)}) as m{k}" for k, step in enumerate(asked.steps, 1)]
    flags += [f"({one.matching.sql(values)}) as x{k}" for k, one in enumerate(asked.exclusions, 1)]
    if asked.breakdown:
        flags.append(f"{values.property_sql(asked.breakdown, person=asked.of_person)} as v")
    wanted = [f"m{k}" for k in range(1, count + 1)] + [f"x{k}" for k, _ in enumerate(asked.exclusions, 1)]
    actor = "person, value" if asked.breakdown else "person"
    fragments = {
        "flags": ", ".join(flags),
        "tie": " ".join(f"when m{k} then {k}" for k in range(1, count + 1)) + f" else {count + 1}",
        "wanted": "true" if asked.order == "strict" else " or ".join(wanted),
        "line": _line(asked, actor),
        "levels": _levels(asked, actor),
        "chosen": _chosen(asked, actor),
        "answer": answer,
    }
    start, stop = asked.days.bounds(desk.zone)
    return desk.ask("funnel", fragments, values, start=start, stop=stop, window=asked.window)


def _line(asked: Funnel, actor: str) -> str:
    source, before = "candidate", ""
    if asked.breakdown:
        source, before = "valued", filled("funnel.line.breakdown", _choice(asked)) + ", "
    if asked.order == "strict":
        text = filled("funnel.line.strict", {"actor": actor, "steps": str(len(asked.steps)), "from": source})
        return before + text
    return f"{before}line as (select * from {source})"


def _choice(asked: Funnel) -> dict[str, str]:
    """Say which values an actor has, and which of its events go with each (posthog-server §7.3, attribution)."""
    is_step = f"tie <= {len(asked.steps)}"
    if asked.attribution in ("first_touch", "last_touch"):
        pick = "arg_min" if asked.attribution == "first_touch" else "arg_max"
        picked = f"{pick}(v, (t, tie, seq)) filter (where v is not null and {is_step})"
        return {"choice": f"select person, {picked} as value from candidate group by person", "kept": "true"}
    whose, pinned = ("m1", is_step) if asked.attribution == "all_steps" else (f"m{asked.step}",) * 2
    return {
        "choice": f"select distinct person, v as value from candidate where {whose}",
        "kept": f"not ({pinned}) or v is not distinct from value",
    }


def _levels(asked: Funnel, actor: str) -> str:
    count = len(asked.steps)
    if asked.order == "unordered":
        firsts = ", ".join(f"min(t) filter (where m{k}) over ahead" for k in range(1, count + 1))
        return filled("funnel.level.unordered", {"actor": actor, "firsts": firsts})
    texts = ["level1 as (select *, case when m1 then t end as s1_1 from line)"]
    for k in range(2, count + 1):
        path = [f"s{k - 1}_{step}" for step in range(1, k)]
        extends = f"case when m{k} and t - b_s{k - 1}_1 <= $window then"
        carried = [f"{extends} b_{name} end as s{k}_{step}" for step, name in enumerate(path, 1)]
        strict = asked.order == "strict"
        fragments = {
            "k": str(k),
            "j": str(k - 1),
            "actor": actor,
            "before": ", ".join(f"b_{name}" for name in path),
            "states": ", ".join(f"r_{name}" for name in path),
            "running": ", ".join(f"max({name}) over stretched as r_{name}" for name in path),
            "paths": ", ".join(
                f"lag(r_{name}) over earlier as b_{name}" if strict else f"max({name}) over earlier as b_{name}"
                for name in path
            ),
            "carried": ", ".join([*carried, f"{extends} t end as s{k}_{k}"]),
        }
        texts.append(filled(f"funnel.level.{asked.order}", fragments))
    return ", ".join(texts)


def _chosen(asked: Funnel, actor: str) -> str:
    count = len(asked.steps)
    fragments = {"actor": actor, "last": "level", "level": "len(times)", "times": "times"}
    if asked.order != "unordered":
        levels, times = [], []
        for k in range(count, 0, -1):
            levels.append(f"when s{k}_{k} is not null then {k}")
            times.append(f"when s{k}_{k} is not null then [{', '.join(f's{k}_{step}' for step in range(1, k + 1))}]")
        fragments |= {"last": f"level{count}", "level": f"case {' '.join(levels)} end"}
        fragments["times"] = f"case {' '.join(times)} end"
    if not asked.exclusions:
        return filled("funnel.chosen", fragments)
    keys = actor.split(", ")
    fragments["actors"] = ", ".join(f"f.{key}" for key in keys)
    fragments["same"] = " and ".join(f"f.{key} is not distinct from w.{key}" for key in keys)
    each = list(enumerate(asked.exclusions, 1))
    fragments["wrongs"] = ", ".join(f"coalesce(list(t) filter (where x{k}), []) as w{k}" for k, _ in each)
    fragments["tainted"] = " or ".join(
        f"(level >= {one.first} and len(list_filter(w.w{k}, lambda x: x > f.times[{one.first}] "
        f"and x <= f.times[1] + $window and (level < {one.last} or x < f.times[{one.last}]))) > 0)"
        for k, one in each
    )
    return filled("funnel.untainted", fragments)
