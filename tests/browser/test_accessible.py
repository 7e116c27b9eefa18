"""Every page of the dashboard under axe-core's rules for WCAG 2.2 AA: contrast, names, roles, order; light and dark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from .conftest import SECRET, Collector, until
from .windows import Windows, capture, open_windows  # noqa: F401

AXE = (Path(__file__).parents[2] / "static/node_modules/axe-core/axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
STEPS = "event=$pageview&event=Paid"
INSIGHTS = [
    f"math=total&{STEPS}&formula=A/B",
    "breakdown=plan",
    f"kind=funnel&{STEPS}",
    f"kind=funnel&{STEPS}&where1=plan&where1_value=pro",
    "kind=retention&period=day",
    "kind=lifecycle",
    "kind=stickiness",
    "kind=paths",
    "kind=sessions",
]
PAGES = "/overview /live /people /people/ada /people/nobody /warnings /settings /identity".split()
PAGES += [f"/insights?{query}" for query in INSIGHTS] + [f"/insights/people?kind=funnel&{STEPS}"]


# Colours depend on the scheme, what is there on the width: each in one of the two.
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_no_page_breaks_a_rule(collector: Collector, windows: Windows, scheme: str, width: int) -> None:
    for person in ("anon-1", "anon-2"):
        capture(collector, "$pageview", person, **{"$pathname": "/", "$session_id": person, "plan": "pro"})
        capture(collector, "$pageview", person, **{"$pathname": "/pricing", "$session_id": person})
    capture(collector, "$identify", "ada", **{"$anon_distinct_id": "anon-1", "$set": {"email": "ada@example.com"}})
    capture(collector, "$identify", "eve", **{"$anon_distinct_id": "ada"})
    capture(collector, "Paid", "undefined")
    ask = {"headers": {"Authorization": f"Bearer {SECRET}"}, "json": {}}
    until(lambda: httpx.post(collector.url + "/api/insights/unique", **ask).status_code == 200, "the copy to be made")
    choices: dict[str, Any] = {"color_scheme": scheme, "viewport": {"width": width, "height": 844}}
    login = windows.open(**choices)
    login.goto(collector.url + "/login")
    page = windows.signed_in(collector, **choices)
    broken = {}
    for path in ["/login", *PAGES]:
        shown = login if path == "/login" else page
        shown.goto(collector.url + path)
        if path == "/overview":
            shown.wait_for_selector(".ladder-key")
        shown.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        shown.wait_for_timeout(100)
        shown.evaluate(AXE)
        answer = shown.evaluate("(rules) => axe.run({runOnly: rules, resultTypes: ['violations']})", RULES)
        found = [(one["id"], [node["target"] for node in one["nodes"]][:3]) for one in answer["violations"]]
        if found:
            broken[path] = found
    windows.complaints[:] = [one for one in windows.complaints if "404" not in one]  # /people/nobody is one
    assert broken == {}
