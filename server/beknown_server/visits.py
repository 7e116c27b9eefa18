"""Sessions: how many, how long, where they begin and end, how many bounce (posthog-server §7.7).

Rules:
- A session is in the days that its first event is in, whole: a session lasts at most a day (SESSION_MS), so what lies
  a day before and after the range is looked at too.
- It bounces with at most one page view, no autocaptured click, and less than BOUNCE_MS from the first event to the
  last.
- Its entry and exit are its first and last page view; its source is the first event's campaign (utm_source), else the
  site that it was reached from, else nothing.
"""

from __future__ import annotations

from typing import Any

from .asked import Asked, Matching, Values, code_of
from .insights import Desk

SESSION_MS = 86_400_000
BOUNCE_MS = 10_000
TOP = 25
PLACES = ("entries", "exits", "sources")


def visits(desk: Desk, body: Any) -> dict[str, Any]:
    """Give the number of sessions and persons, seconds (average, median), page views per session, the share that
    bounced, and the most frequent ``entries``, ``exits`` and ``sources``, null where there is none."""
    asked = Asked(body)
    values = Values()
    start, stop = asked.range(desk.today).bounds(desk.zone)
    campaign, domain = values.property_sql("$utm_source"), values.property_sql("$referring_domain")
    fragments = {
        "match": Matching(None, asked.filters()).sql(values),
        "page": values.property_sql("$pathname"),
        "source": f"coalesce({campaign}, nullif({domain}, {values.bind('$direct')}))",
    }
    rows = desk.ask(
        "sessions",
        fragments,
        values,
        start=start,
        stop=stop,
        longest=SESSION_MS,
        bounce=BOUNCE_MS,
        most=TOP,
        view=code_of("$pageview"),
        click=code_of("$autocapture"),
    )
    totals = next(row for row in rows if row[0] == "all")
    _, _, sessions, persons, bounced, average, median, views = totals
    answer: dict[str, Any] = {
        "sessions": sessions,
        "persons": persons,
        "average_seconds": average,
        "median_seconds": median,
        "views_per_session": views,
        "bounce_rate": bounced / sessions if sessions else None,
    }
    for name in PLACES:
        found = [row for row in rows if row[0] == name]
        answer[name] = [{"value": row[1], "sessions": row[2], "bounced": row[4]} for row in found]
    return answer
