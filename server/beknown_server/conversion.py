"""A funnel along time: who entered it in each interval, and how many of them got to its end (posthog-server §7.3).

Rules:
- An interval is that of the first step. A person enters once per interval, however often the first step was done in it.
- Converted: from any of these entries the last step was reached within the window of that entry, later intervals
  included; every step lies in the range of days, so the newest intervals may still grow.
- From one entry the next step that comes first leads furthest, so only that one is followed; in strict order the
  event that ends a stretch as well.
"""

from __future__ import annotations

from typing import Any

from .asked import Asked, filled, refuse
from .funnel import Funnel, rows, wanted
from .insights import Desk
from .spans import buckets


def conversion(desk: Desk, body: Any) -> dict[str, Any]:
    """Give ``{"labels", "series"}``: persons who entered, persons who converted, and their share (null of nobody)."""
    funnel = wanted(desk, body)
    if funnel.order == "unordered":
        refuse("order", funnel.order, "ordered or strict: along time an entry is the first step")
    if funnel.exclusions or funnel.breakdown:
        name = "exclusions" if funnel.exclusions else "breakdown"
        refuse(name, Asked(body).given(name), "left out: along time a funnel has neither exclusions nor a breakdown")
    interval = Asked(body).choice("interval", ("day", "week", "month"), "day")
    calendar = buckets(funnel.days.first, funnel.days.last, interval, desk.zone)
    last = len(funnel.steps)
    counted = rows(desk, funnel, _entries(funnel, calendar.sql("t")), filled("funnel.trend", {"last": str(last)}))
    found = {(step, bucket): persons for step, bucket, persons in counted}
    entered, converted = ([found.get((k, at), 0) for at in range(len(calendar.labels))] for k in (1, last))
    shares = [some / every if every else None for some, every in zip(converted, entered, strict=True)]
    named = {"entered": entered, "converted": converted, "share": shares}
    return {"labels": calendar.labels, "series": [{"label": name, "data": data} for name, data in named.items()]}


def _entries(funnel: Funnel, bucket: str) -> str:
    stretch, was, goes_on = "", "", "b.person = a.person"
    if funnel.order == "strict":
        stretch, was, goes_on = ", stretch", ", was", goes_on + " and b.was = a.stretch"
    texts = [filled("funnel.entry.first", {"bucket": bucket, "place": funnel.place(1), "stretch": stretch})]
    for k in range(2, len(funnel.steps) + 1):
        fragments = {"k": str(k), "j": str(k - 1), "place": funnel.place(k), "goes_on": goes_on}
        name = "funnel.entry.strict" if stretch else "funnel.entry"
        more = {"stretch": stretch, "was": was, "stretch_of": stretch.replace(" ", " b.")}
        texts.append(filled(name, {**fragments, **more}))
    return ", ".join(texts)
