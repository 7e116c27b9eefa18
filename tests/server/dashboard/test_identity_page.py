"""The identity report for a person: each part of it is on the page, in words, with the people to look at."""

from __future__ import annotations

import re
import time
from html import unescape
from pathlib import Path

import orjson
import pytest
from beknown_server import display, insight_pages, report
from beknown_server.figures import between, weeks_of

from .conftest import Dashboard

KEY = {"Authorization": "Bearer bks_dashboardtests"}
DAY = 86_400_000


@pytest.fixture
def now() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture
def troubled(dashboard: Dashboard, now: int) -> Dashboard:
    """Two users on one device without a reset between; a few numbered events, of which one was lost."""
    for number, name in enumerate(("ada", "eve")):
        dashboard.happens("$identify", name, at=now - 5000 + number, anon="anon-0001", set_={"name": name.title()})
    for number in (1, 2, 4):
        numbered = {"$sequence": number, "$device_id": "anon-0001", "$window_id": "w"}
        dashboard.happens("$pageview", "ada", at=now - 4000 + number, **numbered)
    return dashboard


def test_it_is_closed_without_log_in(dashboard: Dashboard) -> None:
    assert dashboard.client().get("/identity").status_code == 302


def test_it_keeps_to_the_policy_and_no_link_is_dead(troubled: Dashboard) -> None:
    client = troubled.signed_in()
    page = client.get("/identity").text
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page)
    for link in set(re.findall(r'(?:href|src)="(/[^"]*)"', page)):
        assert client.get(link).status_code == 200, link


def test_it_says_what_the_api_says(troubled: Dashboard) -> None:
    found = troubled.client().get("/api/identity/report", headers=KEY).json
    page = troubled.signed_in().get("/identity").text
    assert f'<p class="big">{found["unique_users"]["persons"]}</p>' in page
    assert f"<strong>{found['unique_users']['low']}</strong>" in page
    assert f"{found['loss']['received']} of {found['loss']['sent']}" in page
    assert re.findall(r'rung-share">([^<]+)<', page) == [display.percent(found["ladder"][str(n)]) for n in (1, 2, 3, 4)]
    for one in found["findings"]:
        assert display.finding(one["code"])[0] in page
        assert one["fix"] in page


def test_each_finding_says_its_effect_on_unique_people(dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    found = dashboard.client().get("/api/identity/report", headers=KEY).json
    found["findings"] = [report.Finding(code, 1, []).answer() for code in report.ADVICE]
    monkeypatch.setattr(insight_pages, "report_of", lambda *_: found)
    page = unescape(dashboard.signed_in().get("/identity").text)
    parts = re.findall(r'class="finding">([^<]+)<.*?<dt>Effect on unique people</dt><dd>([^<]+)<', page, re.DOTALL)
    assert parts == [
        (display.finding(code)[0], display.opened(effect)) for code, (_, effect, _) in report.ADVICE.items()
    ]


def test_it_explains_how_the_interval_is_estimated(dashboard: Dashboard) -> None:
    page = dashboard.signed_in().get("/identity").text
    found = re.search(r"<summary>How this is estimated</summary><p>([^<]+)</p>", page)
    assert found
    for words in (
        "how many anonymous ids one person leaves behind",
        "how many people share one",
        "divided by the first",
        "(the low end)",
        "times the second",
        "(the high end)",
        "share an e-mail address or a phone number",
        "storage is blocked",
        "not a margin of error",
    ):
        assert words in found[1]


def test_the_ladder_is_told_week_by_week(dashboard: Dashboard, now: int) -> None:
    dashboard.happens("$pageview", "anon-0002", at=now - 8 * DAY)
    dashboard.happens("$identify", "ada", at=now - 2000, anon="anon-0001")
    dashboard.happens("$pageview", "ada", at=now - 1000)
    weeks = [
        week
        for week in dashboard.client().get("/api/identity/report", headers=KEY).json["weeks"]
        if any(week["ladder"].values())
    ]
    assert len(weeks) == 2
    page = unescape(dashboard.signed_in().get("/identity").text)
    part = page[page.index("Week by week") :]
    assert [name for name, _ in display.RUNGS] == re.findall(r'<i class="swatch[^>]+></i>([^<]+)</th>', part)
    rows = re.findall(r'<tr><th scope="row">([^<]+)</th>(.*?)</tr>', part)
    assert [re.findall(r">([^<]+)</td>", cells) for _, cells in rows] == [
        [display.percent(week["ladder"][str(rung)]) for rung in (1, 2, 3, 4)] for week in weeks
    ]
    assert rows[0][1] != rows[1][1], "nobody is known in the first week, everybody in the second"
    chart = orjson.loads(re.findall(r'data-chart="(.*?)" tabindex', part)[0])
    assert chart["labels"] == [label for label, _ in rows]


def test_one_week_is_no_trend(troubled: Dashboard) -> None:
    assert "Week by week" not in troubled.signed_in().get("/identity").text


def test_a_finding_leads_to_the_people_concerned(troubled: Dashboard) -> None:
    page = troubled.signed_in().get("/identity").text
    part = page[page.index("Log-out without reset") :]
    link = re.search(r'class="name[^"]*" href="([^"]+)">Eve<', part)
    assert link
    assert "another identified person" in troubled.signed_in().get(link[1]).text


def test_a_clean_site_has_nothing_to_mend(dashboard: Dashboard, now: int) -> None:
    dashboard.happens("$pageview", "anon-0001", at=now - 3000)
    dashboard.happens("$identify", "ada", at=now - 2000, anon="anon-0001")
    assert "Nothing to mend" in dashboard.signed_in().get("/identity").text


@pytest.mark.parametrize("query", ["", "?span=7d", "?span=365d", "?span=x"])
def test_an_empty_project_has_a_report_too(dashboard: Dashboard, query: str) -> None:
    page = dashboard.signed_in().get("/identity" + query)
    assert page.status_code == 200
    assert "Not measured" in page.text


def test_every_finding_has_words() -> None:
    assert set(display.FINDINGS) == set(report.ADVICE)
    assert len(display.RUNGS) == 4
    page = (Path(display.__file__).parent / "templates/beknown/identity.html").read_text()
    assert len(report.ADVICE) == 12, "the page says how many mistakes it looks for"
    assert "twelve known mistakes" in page


def test_an_interval_stays_on_its_scale() -> None:
    for low, middle, high in ((0, 0, 0), (1, 1, 1), (90, 100, 140)):
        place = between(low, middle, high)
        assert 0 <= place.low <= place.middle <= place.high <= 100


def test_weeks_without_events_are_not_drawn() -> None:
    nothing, something = ({"1": 0.0, "2": 0.0, "3": 0.0, "4": 0.0}, {"1": 0.5, "2": 0.5, "3": 0.0, "4": 0.0})
    weeks = [{"start": "2026-11-09", "ladder": nothing}, {"start": "2026-11-16", "ladder": something}]
    chart = weeks_of(weeks, ["a", "b", "c", "d"])
    assert chart["labels"] == ["16 Nov"]
    assert [one["data"] for one in chart["series"]] == [[50.0], [50.0], [0.0], [0.0]]
