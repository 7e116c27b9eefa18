"""The numbers for a person: the page shows what the API answers, without a script too, as CSV and as JSON."""

from __future__ import annotations

import csv
import io
import re
import threading
import time
from collections.abc import Callable, Iterator
from html import unescape
from typing import Any
from urllib.parse import parse_qsl

import orjson
import pytest
from beknown_server import choices, columns, display, insight_pages, insights_api, replica
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from .conftest import NOW, Dashboard

DAYS = "span=custom&first=2026-11-20&last=2026-11-24"
KEY = {"Authorization": "Bearer bks_dashboardtests"}
FUNNEL = f"kind=funnel&event=$pageview&event=Signed%20up&event=invoice%20paid&{DAYS}"
PATHS = [
    "/insights",
    "/insights.json",
    "/insights.csv",
    "/insights/people",
    "/identity",
    "/people",
    "/people/ada",
    "/live",
]
QUESTIONS = {
    "trends": f"kind=trends&{DAYS}",
    "funnel": FUNNEL,
    "retention": "kind=retention&period=day&periods=5&span=custom&first=2026-11-20",
    "lifecycle": f"kind=lifecycle&{DAYS}",
    "stickiness": f"kind=stickiness&event=$pageview&mode=more&{DAYS}",
    "paths": f"kind=paths&{DAYS}",
    "sessions": f"kind=sessions&{DAYS}",
}


def rows_of(page: str) -> list[list[str]]:
    """Give the cells of the page's table."""
    table = re.search(r"<tbody>(.*?)</tbody>", page, re.DOTALL)
    assert table, page
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", table[1], re.DOTALL)
    return [[re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)] for row in rows]


@pytest.mark.parametrize("kind", insight_pages.ANSWERS)
def test_every_kind_is_drawn_kept_to_itself_and_its_links_live(ada: Dashboard, kind: str) -> None:
    client = ada.signed_in()
    answer = client.get(f"/insights?{QUESTIONS[kind]}")
    assert answer.status_code == 200
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", answer.text), "the policy forbids inline"
    assert "cannot be answered" not in answer.text
    for link in set(re.findall(r'(?:href|src)="(/[^"]*)"', answer.text)):
        assert client.get(unescape(link)).status_code == 200, link


@pytest.mark.parametrize("page", ["/insights", "/insights.json", "/insights.csv"])
def test_the_numbers_are_closed_without_log_in(ada: Dashboard, page: str) -> None:
    assert ada.client().get(page).status_code == 302


def test_trends_are_in_a_table_and_the_chart_has_the_same_numbers(ada: Dashboard) -> None:
    page = ada.signed_in().get(f"/insights?math=total&{DAYS}").text
    assert rows_of(page)[:2] == [["24 Nov", "0"], ["23 Nov", "5"]]
    found = re.search(r'data-chart="([^"]+)"', page)
    assert found
    assert orjson.loads(unescape(found[1]))["series"] == [{"label": "All events", "data": [0, 0, 0, 5, 0]}]


def test_people_in_all_are_not_the_sum_of_the_days(ada: Dashboard) -> None:
    ada.happens("$pageview", "ada", at=NOW - 3 * 86_400_000)
    page = ada.signed_in().get(f"/insights?{DAYS}").text
    assert [row[1] for row in rows_of(page)] == ["0", "1", "0", "0", "1"]
    assert "<dd>1</dd>" in page


def test_a_funnel_names_who_did_not_come_so_far(ada: Dashboard) -> None:
    ada.happens("$pageview", "anon-0002", at=NOW)
    page = ada.signed_in().get(f"/insights?{FUNNEL}").text
    assert re.findall(r'funnel-count"><a [^>]+>(\d+)<', page) == ["2", "1", "1"]
    assert re.search(r">1</a> did not come so far", page)
    assert 'width="50.0%"' in page


def test_a_step_with_a_condition_of_its_own_is_counted_and_named_so(ada: Dashboard) -> None:
    ada.happens("$pageview", "anon-0002", at=NOW - 50_000, **{"$pathname": "/"})
    ada.happens("Signed up", "anon-0002", at=NOW - 20_000)
    client, steps = ada.signed_in(), f"kind=funnel&event=$pageview&event=Signed%20up&{DAYS}"
    shares = r'funnel-count"><a [^>]+>(\d+)<'
    assert re.findall(shares, client.get(f"/insights?{steps}").text) == ["2", "2"]
    page = client.get(f"/insights?{steps}&where1=$pathname&where1_value=/pricing").text
    assert re.findall(shares, page) == ["1", "1"]
    assert "<strong>Page view where $pathname is /pricing</strong>" in page
    links = [unescape(link) for link in re.findall(r'href="(/insights/people[^"]+)"', page)]
    behind = client.get(links[0]).text
    assert "Ada Lovelace" in behind
    assert "Visitor 0002" not in behind
    assert "Page view where $pathname is /pricing" in behind


def test_two_series_of_one_event_are_told_apart_by_their_conditions(ada: Dashboard) -> None:
    two = f"event=$pageview&event=$pageview&math=total&where2=$pathname&where2_value=/pricing&{DAYS}"
    rows = list(csv.reader(io.StringIO(ada.signed_in().get(f"/insights.csv?{two}").text)))
    assert rows[0] == ["date", "$pageview", "Page view where $pathname is /pricing"]
    assert rows[4] == ["2026-11-23", "2", "1"]


def test_a_retention_says_which_period_is_not_over(ada: Dashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(insights_api, "now_ms", lambda: NOW + 12 * 3_600_000)  # on the 24th
    page = ada.signed_in().get(f"/insights?{QUESTIONS['retention']}").text
    rows = rows_of(page)
    assert [cell for cell in rows[4][2:] if cell] == ["100%", "0% so far"]
    assert not any("so far" in cell for cell in rows[0])
    assert re.search(r'<td class="num shade-0 running" title="0 of 1, so far">', page)


def test_a_question_that_has_no_answer_is_explained_on_the_page(ada: Dashboard) -> None:
    answer = ada.signed_in().get(f"/insights?kind=funnel&event=$pageview&{DAYS}")
    assert answer.status_code == 200
    assert "cannot be answered" in answer.text
    assert "steps" in answer.text


def test_a_sent_form_becomes_an_address_without_ballast(ada: Dashboard) -> None:
    sent = "/insights?sent=1&kind=trends&math=total&event=*&event=&span=30d&interval=day&key=&value=&breakdown="
    assert ada.signed_in().get(sent).location == "/insights?kind=trends&math=total"


@pytest.mark.parametrize("kind", insight_pages.ANSWERS)
def test_json_is_what_the_api_answers(ada: Dashboard, kind: str) -> None:
    client = ada.signed_in()
    json = client.get(f"/insights.json?{QUESTIONS[kind]}").json
    asked = insight_pages.form.read(_arguments(QUESTIONS[kind]), today=insight_pages.zone_of({}).day(NOW))
    body = asked.body(insight_pages.zone_of({}).day(NOW))
    totals = json.pop("totals", None)
    assert (totals is None) == (kind != "trends")
    assert ada.client().post(f"/api/insights/{kind}", json=body, headers=KEY).json == json


def numbers(answer: Any) -> set[str]:
    """Give every number of a JSON answer as CSV writes it."""
    if isinstance(answer, dict | list):
        parts = answer.values() if isinstance(answer, dict) else answer
        return {number for part in parts for number in numbers(part)}
    return {str(answer)} if isinstance(answer, int | float) and not isinstance(answer, bool) else set()


def written(number: str) -> set[str]:
    """Give how a page may write a number: as it is, as a share, as a length of time."""
    value = float(number)
    share = {display.percent(value)} if 0 <= value <= 1 else set()
    return {display.figure(value), display.duration(int(value * 1000))} | share


@pytest.mark.parametrize(
    "query",
    [
        *QUESTIONS.values(),
        f"kind=funnel&{DAYS}",  # a first idea of its steps
        f"kind=trends&event=$pageview&event=$pageview&math=total&where2=$pathname&where2_value=/pricing&{DAYS}",
        f"kind=trends&event=$pageview&event=$pageview&math=total&math=dau&{DAYS}",
    ],
)
def test_page_json_and_csv_say_the_same(ada: Dashboard, query: str) -> None:
    ada.happens("$pageview", "anon-0002", at=NOW - 50_000, **{"$pathname": "/pricing", "$session_id": "s2"})
    client = ada.signed_in()
    page, json = client.get(f"/insights?{query}").text, client.get(f"/insights.json?{query}")
    assert json.status_code == 200
    head, *rows = csv.reader(io.StringIO(client.get(f"/insights.csv?{query}").text))
    cells = {cell for row in rows for cell in row}
    assert rows
    assert numbers(json.json) - {"0"} <= cells
    text = unescape(re.sub(r"<[^>]+>", "|", page))
    for number in numbers(json.json) - {"0", "1"}:
        assert any(one in text for one in written(number)), number
    for series in json.json.get("series", []) if json.json else []:
        assert series["label"] in head
        assert display.label(series["label"]) in text
    for step in json.json.get("steps", []) if json.json else []:
        assert step["event"] in cells


def test_csv_has_every_number_and_runs_nothing_in_a_spreadsheet(ada: Dashboard) -> None:
    ada.happens("=HYPERLINK(1)", "ada", at=NOW)
    text = ada.signed_in().get(f"/insights.csv?math=total&event=$pageview&event==HYPERLINK(1)&{DAYS}").text
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0] == ["date", "$pageview", "'=HYPERLINK(1)"]
    assert rows[4] == ["2026-11-23", "2", "1"]


def test_what_a_visitor_sends_is_never_run(dashboard: Dashboard) -> None:
    evil = '"><script>alert(1)</script>'
    dashboard.happens(evil, evil, at=NOW, **{evil: evil})
    client = dashboard.signed_in()
    for query in (
        f"event={evil}&breakdown={evil}&{DAYS}",
        f"key={evil}&operator=exact&value={evil}&subject_is=event",
    ):
        assert "<script>alert" not in client.get(f"/insights?{query}").text


def test_an_empty_project_says_so(dashboard: Dashboard) -> None:
    for kind in insight_pages.ANSWERS:
        assert dashboard.signed_in().get(f"/insights?kind={kind}").status_code == 200


@pytest.fixture
def halfway(dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A copy that is made anew and stands still at a half until this is set; nobody has the patience to wait for it."""
    for number in range(40):
        dashboard.happens("$pageview", f"visitor-{number}", at=NOW)
    may_go_on, read = threading.Event(), dashboard.store.columns

    def slowly(project: int, table: Any, *, after: int, limit: int) -> Any:
        assert table != "event" or after < 20 or may_go_on.wait(30)
        return read(project, table, after=after, limit=limit)

    monkeypatch.setattr(dashboard.store, "columns", slowly)
    monkeypatch.setattr(replica, "PAGE", 10)
    monkeypatch.setattr(columns, "PATIENCE_S", 0.0)
    yield may_go_on
    may_go_on.set()


@pytest.mark.parametrize("page", ["/insights?kind=trends", "/identity?span=7d", f"/insights/people?{FUNNEL}"])
def test_while_the_copy_is_made_a_bar_says_how_far_and_the_page_comes_again_by_itself(
    dashboard: Dashboard, halfway: threading.Event, page: str
) -> None:
    client = dashboard.signed_in()
    for path in (page, "/overview/numbers"):
        until(lambda at=path: '<progress max="100" value="50">50%</progress>' in client.get(at).text)
    text = client.get(page).text
    assert '<noscript><meta http-equiv="refresh" content="2"></noscript>' in text[: text.index("</head>")]
    assert re.search(r'<label class="done"><span>[^<]+</span><progress', text)
    assert page.startswith("/insights/people") or f'hx-get="{page}' in unescape(text)
    halfway.set()
    until(lambda: "<progress" not in client.get(page).text)
    assert 'http-equiv="refresh"' not in client.get(page).text


def until(question: Callable[[], bool]) -> None:
    """Ask until the answer is yes."""
    deadline = time.monotonic() + 30
    while not question():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _arguments(query: str) -> Any:
    return MultiDict(parse_qsl(query))


def test_the_people_behind_a_bar_are_named(ada: Dashboard) -> None:
    ada.happens("$pageview", "anon-0002", at=NOW)
    client = ada.signed_in()
    page = client.get(f"/insights?{FUNNEL}").text
    links = [unescape(link) for link in re.findall(r'href="(/insights/people[^"]+)"', page)]
    came, dropped = client.get(links[1]).text, client.get(next(link for link in links if "dropped" in link)).text
    assert "Ada Lovelace" in came
    assert "Ada Lovelace" not in dropped
    assert "Visitor 0002" in dropped


def test_the_people_behind_a_bar_of_a_value_are_named(ada: Dashboard) -> None:
    ada.happens("$pageview", "anon-0002", at=NOW, plan="a & b?")
    ada.happens("$pageview", "anon-0003", at=NOW, plan="")
    ada.happens("$pageview", "anon-0004", at=NOW, plan="long " * 100)
    client = ada.signed_in()
    page = client.get(f"/insights?{FUNNEL}&breakdown=plan").text
    groups = re.split(r'<h3 class="funnel-group">', page)[1:]
    behind = {}
    for name, group in (part.split("</h3>", 1) for part in groups):
        links = [unescape(link) for link in re.findall(r'href="(/insights/people[^"]+)"', group)]
        behind[unescape(name)[:6]] = [client.get(link).text for link in links]
    assert {name: len(pages) for name, pages in behind.items()} == {"(empty": 2, "a & b?": 2, "long l": 0, "pro": 3}
    for name, who in {"(empty": "Visitor 0003", "a & b?": "Visitor 0002"}.items():
        for answer in behind[name]:
            people = re.findall(r"<tbody>.*?</tbody>", answer, re.DOTALL)[0]
            assert set(re.findall(r"Ada Lovelace|Visitor \d+", people)) == {who}
    assert "Their plan is a &amp; b?." in behind["a & b?"][0]
    assert all("Ada Lovelace" in answer for answer in behind["pro"])


@pytest.mark.parametrize("query", ["", "kind=funnel", f"{FUNNEL}&step=9", f"{FUNNEL}&step=1&who=dropped", "step=x"])
def test_a_bar_that_is_not_there_is_said_to_be_empty(ada: Dashboard, query: str) -> None:
    answer = ada.signed_in().get(f"/insights/people?{query}")
    assert answer.status_code == 200
    assert "Nobody" in answer.text


ODD = [
    "-1",
    "0",
    "9" * 30,
    "1e999",
    "2026-02-30",
    "0001-01-01",
    "9999-12-31",
    "NaN",
    "\0",
    "é",
    "*",
    "$pageview",
    "custom",
    "A/B",
    "A*999999999999999*999999999999999",
    "A*1e14" + "*1e14" * 30,
    "A*1e14" + "*1e14" * 16 + "-A*1e14" + "*1e14" * 16,
    "amount",
    "invoice paid",
]
NAMES = (
    "kind event math of formula span first last interval breakdown subject window order without attribution returning "
    "period periods retention mode steps subject_is key operator value step who breakdown_value before sent "
    "where1 where1_operator where2 where2_is where2_value"
).split()
WORDS = [*choices.KINDS, *choices.MATHS, *choices.ORDERS, *choices.OPERATORS, *ODD]


@pytest.fixture
def rich(ada: Dashboard) -> Dashboard:
    """Two of Ada's invoices are of an amount that is a number by itself, and their sum is none."""
    for _ in range(2):
        ada.happens("invoice paid", "ada", amount=1e308)
    return ada


SUM = [("event", "invoice paid"), ("math", "sum"), ("of", "amount")]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(WORDS)), max_size=8), st.sampled_from(PATHS))
@example(pairs=SUM, path="/insights")
@example(pairs=[*SUM[:1], ("math", "avg"), SUM[2]], path="/insights")
@example(pairs=[*SUM, ("formula", "A*999999999999999*999999999999999")], path="/insights")
@example(pairs=[("formula", "A*999999999999999*999999999999999"), ("math", "total")], path="/insights.json")
@example(pairs=[("formula", "A*1e14" + "*1e14" * 30), ("math", "total")], path="/insights")
@example(pairs=[("before", "9" * 30)], path="/people")
@example(pairs=[("before", "9" * 30)], path="/people/ada")
def test_whatever_is_asked_is_answered_or_explained(rich: Dashboard, pairs: list[tuple[str, str]], path: str) -> None:
    answer = rich.signed_in().get(path, query_string=pairs)
    assert answer.status_code in (200, 302, 400), answer.text[:500]
