"""What a person looks at: that it is closed, that it shows what happened, that nothing of a visitor runs in it."""

from __future__ import annotations

import re
import time

import pytest
from beknown_server import Settings, access, create_app, pages
from beknown_server.store import Row
from beknown_server.store.records import PersonRef

from .conftest import NOW, SECRET_KEY, WRITE_KEY, csrf_of, log_in

PAGES = ["/", "/overview", "/live", "/people", "/people/ada", "/warnings", "/settings"]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_closed_without_log_in_and_leads_back_after_it(ada, page):
    client = ada.client()
    answer = client.get(page + "?x=1")
    assert answer.status_code == 302
    assert answer.location.startswith("/login?next=")
    assert log_in(client, SECRET_KEY, next=page).location == page


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_drawn_and_kept_to_itself(ada, page):
    answer = ada.signed_in().get(page)
    assert answer.status_code == 200
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", answer.text), "the policy forbids inline"


@pytest.mark.parametrize("page", PAGES)
def test_no_link_of_a_page_is_dead(ada, page):
    client = ada.signed_in()
    for link in set(re.findall(r'(?:href|src)="(/[^"]*)"', client.get(page).text)) - {"/beknown.js"}:
        assert client.get(link).status_code == 200, link


def test_the_write_key_and_a_wrong_key_open_nothing(dashboard):
    for key in (WRITE_KEY, "bks_wrong", "", "x" * 5000, "\0"):
        client = dashboard.client()
        assert log_in(client, key).status_code == 401
        assert client.get("/overview").status_code == 302


def test_guessing_is_slowed_down_even_for_the_right_key(dashboard):
    client = dashboard.client()
    for _ in range(access.WRONG_KEYS):
        assert log_in(client, "bks_wrong").status_code == 401
    answer = log_in(client, SECRET_KEY)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(dashboard):
    cookie = log_in(dashboard.client(), SECRET_KEY).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert SECRET_KEY not in cookie


def test_behind_https_the_cookie_travels_only_there(dashboard):
    app = create_app(Settings(url="https://t.example.com"), store=dashboard.store)
    assert "Secure" in app.test_client().get("/login").headers["Set-Cookie"]
    assert "Secure" not in dashboard.client().get("/login").headers["Set-Cookie"]


def test_a_log_in_needs_the_token_of_its_form(dashboard):
    client = dashboard.client()
    client.get("/login")
    assert client.post("/login", data={"secret_key": SECRET_KEY}).status_code == 400
    assert client.post("/login", data={"secret_key": SECRET_KEY, "csrf": "guessed"}).status_code == 400
    assert client.get("/overview").status_code == 302


def test_a_log_out_needs_the_token_and_closes_the_session(dashboard):
    client = dashboard.signed_in()
    assert client.post("/logout").status_code == 400
    token = csrf_of(client.get("/overview").text)
    assert client.post("/logout", data={"csrf": token}).status_code == 303
    assert client.get("/overview").status_code == 302


def test_a_session_ends_by_itself(dashboard, monkeypatch):
    client = dashboard.signed_in()
    monkeypatch.setattr(access, "SESSION_MS", -1)
    assert client.get("/overview").status_code == 302


def test_a_log_in_never_leads_to_another_site(dashboard):
    assert log_in(dashboard.client(), SECRET_KEY, next="//evil.example").location == "/overview"


def test_the_link_of_the_demo_logs_in_once(demo):
    with demo.app.app_context():
        link = pages.login_link(demo.project.id, "")
    first, second = demo.client(), demo.client()
    assert first.get(link + "&next=/live").location == "/live"
    assert first.get("/live").status_code == 200
    assert second.get(link).status_code == 400
    assert second.get("/live").status_code == 302
    assert first.get(link + "&next=/live").location == "/live", "who is logged in already just goes on"


def test_a_person_shows_what_they_did_before_they_had_a_name(ada):
    page = ada.signed_in().get("/people/anon-0001").text
    assert "Ada Lovelace" in page
    assert "/pricing" in page
    assert re.search(r"Visitor 0001 became</span>\s*Ada Lovelace", page)
    assert "Linked by identify" in page
    assert "Outside a visit" in page, "what a server sent belongs to no visit"


def test_a_refused_claim_is_shown_as_refused_and_makes_nobody_known(ada):
    ada.happens("$identify", "eve", at=NOW, anon="ada")
    page = ada.signed_in().get("/people/eve").text
    assert "became</span>" not in page
    assert "Refused: it belongs to another identified person" in page


def test_an_unknown_person_is_no_error(dashboard):
    answer = dashboard.signed_in().get("/people/nobody%22%3E%3Cscript%3E")
    assert answer.status_code == 404
    assert "<script>" not in answer.text


def test_what_a_visitor_sends_is_shown_and_never_run(dashboard):
    evil = '"><script>alert(1)</script>'
    dashboard.happens(evil, evil, at=NOW, **{"$pathname": evil, evil: evil, "$current_url": "javascript:alert(1)"})
    dashboard.happens("$identify", "eve", at=NOW, anon="anon-" + evil, set_={"name": evil, evil: evil})
    dashboard.store.warn(dashboard.project.id, "junk_id", evil, evil, NOW)
    client = dashboard.signed_in()
    for page in (
        "/overview",
        "/live",
        "/people",
        "/people/eve",
        "/warnings",
        f"/live?q={evil}",
        f"/people?search={evil}",
    ):
        text = client.get(page).text
        assert "<script>alert" not in text, page
        assert 'href="javascript:' not in text, page


def test_the_search_finds_people_by_id_and_name(ada):
    ada.happens("$pageview", "anon-0002", at=NOW)
    client = ada.signed_in()
    assert "Ada Lovelace" in client.get("/people?search=lovelace").text
    assert "Ada Lovelace" not in client.get("/people?search=anon-0002").text
    assert "Nobody found" in client.get("/people?search=zzz").text


def test_the_live_view_starts_with_the_newest_events_and_their_place(ada):
    page = ada.signed_in().get("/live").text
    seqs = [int(seq) for seq in re.findall(r'data-seq="(\d+)"', page)]
    assert seqs == sorted(seqs, reverse=True)
    assert len(seqs) == 5
    assert f'data-after="{seqs[0]}"' in page


def test_the_live_view_is_filtered_without_a_script_too(ada):
    client = ada.signed_in()
    assert len(re.findall("data-seq", client.get("/live?q=PRICING").text)) == 1
    assert len(re.findall("data-seq", client.get("/live?q=lovelace").text)) == 5
    assert "Nothing matches yet" in client.get("/live?q=zzz").text


def test_a_new_project_is_told_how_to_begin(dashboard):
    page = dashboard.signed_in().get("/").text
    assert "Paste the tag" in page
    assert WRITE_KEY in page
    assert SECRET_KEY not in page


def test_warnings_say_how_often_and_what_to_do(dashboard):
    dashboard.store.warn(dashboard.project.id, "junk_id", "undefined", "Call identify after log-in.", NOW, 37)
    client, patience = dashboard.signed_in(), time.monotonic() + 30
    while "37" not in (page := client.get("/warnings").text):  # written with the next group
        assert time.monotonic() < patience
        time.sleep(0.01)
    assert "Call identify after log-in." in page


def test_the_settings_never_show_the_secret_key(dashboard):
    page = dashboard.signed_in().get("/settings").text
    assert WRITE_KEY in page
    assert SECRET_KEY not in page


def test_the_demo_is_open_and_embeds_the_tag(demo):
    for page in ("/", "/pricing", "/signup", "/account"):
        answer = demo.client().get(page)
        assert answer.status_code == 200
        assert f'<script async src="/beknown.js" data-key="{WRITE_KEY}"' in answer.text
    assert demo.client().get("/overview").status_code == 302


def test_a_file_is_kept_for_a_year_and_an_old_address_is_gone(dashboard):
    client = dashboard.client()
    address = re.search(r'href="(/static/[^"]+\.css)"', client.get("/login").text)[1]
    answer = client.get(address, headers={"Accept-Encoding": "gzip"})
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.headers["Content-Encoding"] == "gzip"
    for other in (
        "/static/000000000000/dashboard/dashboard.css",
        "/static/x/../../pyproject.toml",
        "/static/x/package.json",
    ):
        assert client.get(other).status_code == 404


def row(seq, session):
    return Row(seq, str(seq), "e", seq * 1000, seq * 1000, "a", session, {}, PersonRef("p", "A", False))


def test_visits_keep_their_rows_together_though_a_server_spoke_in_between():
    visits = pages.visits_of([row(6, "b"), row(5, None), row(4, None), row(3, "b"), row(2, None), row(1, "a")])
    assert [(visit.session_id, [one.seq for one in visit.rows]) for visit in visits] == [
        ("b", [6, 3]),
        (None, [5, 4, 2]),
        ("a", [1]),
    ]
    assert visits[0].lasted == 3000


def test_older_people_begin_where_the_page_ended_though_all_were_seen_at_once(dashboard):
    for number in range(60):
        dashboard.happens("$pageview", f"visitor-{number:03d}")
    client = dashboard.signed_in()
    first = client.get("/people").text
    (older,) = re.findall(r'href="(/people\?before=[^"]+)"', first)
    rest = client.get(older).text
    names = [set(re.findall(r"Visitor r\d{3}", page)) for page in (first, rest)]
    assert [len(each) for each in names] == [50, 10]
    assert len(names[0] | names[1]) == 60
    assert "Older" not in rest


def test_the_overview_compares_the_last_day_with_the_one_before(dashboard, monkeypatch):
    day = 86_400_000
    monkeypatch.setattr(pages, "now_ms", lambda: NOW)
    for at in (NOW - 2 * day - 1, NOW - 2 * day, NOW - day - 1, NOW - day, NOW - 5, NOW - 4):
        dashboard.happens("x", "ada", at=at)
    page = dashboard.signed_in().get("/overview").text
    assert "<dt>Events</dt><dd>3</dd>" in page
    assert ">+50%</span> against the day before" in page
