"""The server keeps a visitor's identity for 400 days where it shares the page's site, and gives it back when lost."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, unquote

import pytest
from beknown.newcomer import newcomer
from beknown.wire import ASKED, pack_cookie
from beknown_server.site import now_ms
from beknown_server.store import Project, Store
from flask.testing import FlaskClient
from werkzeug.http import parse_cookie

from .conftest import KEY, uuid_of

PAGE = {"Origin": "http://localhost"}
NAME, KEPT = f"bk_{KEY}", f"bk_{KEY}.kept"
DEVICE = uuid_of()


def identity(revision: int = 3, distinct_id: str = "ada", device: str = DEVICE) -> str:
    now = now_ms()
    fields = {"revision": revision, "device": device, "identified": distinct_id == "ada", "distinct_id": distinct_id}
    return pack_cookie(fields | {"session": uuid_of(now), "started": now, "active": now})


def run(client: FlaskClient, stored: str, *, local: str = "", headers: dict[str, str] = PAGE, **options: str) -> Any:
    entry = {"call": "capture", "args": ["seen"], "at": now_ms(), "url": "http://localhost/", "window": "w"}
    body = {
        "api_key": KEY,
        "facts": {},
        "options": options,
        "stored": [stored, local],
        "calls": [[uuid_of(now_ms()), json.dumps(entry)]],
    }
    answer = client.post("/run", data=json.dumps(body), headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


def set_by(answer: Any) -> dict[str, str]:
    """The cookies that an answer sets: name -> the whole header."""
    return {line.partition("=")[0]: line for line in answer.headers.getlist("Set-Cookie")}


def after(answer: Any) -> str:
    return next(str(effect[1]) for effect in answer.json["effects"] if effect[0] == "store")


def test_running_calls_keeps_the_identity_for_400_days(client: FlaskClient, project: Project) -> None:
    answer = run(client, identity())
    header = set_by(answer)[KEPT]
    assert unquote(parse_cookie(header.partition(";")[0])[KEPT]) == after(answer)
    assert {"Max-Age=34560000", "Path=/", "SameSite=Lax"} <= set(header.split("; "))
    assert "HttpOnly" not in header
    assert "Secure" not in header
    assert NAME not in set_by(answer)  # the page writes that one itself


def test_on_https_it_is_secure(client: FlaskClient, project: Project) -> None:
    assert "Secure" in set_by(run(client, identity(), headers={"Origin": "https://localhost"}))[KEPT]


def test_events_roll_it(client: FlaskClient, project: Project, store: Store) -> None:
    text = identity()
    client.set_cookie(NAME, quote(text))
    batch = [{"event": "seen", "distinct_id": "ada", "uuid": uuid_of(now_ms()), "properties": {}}]
    answer = client.post("/e/", json={"api_key": KEY, "batch": batch}, headers=PAGE)
    assert (answer.status_code, answer.json) == (200, {"status": 1})
    assert unquote(parse_cookie(set_by(answer)[KEPT].partition(";")[0])[KEPT]) == text


def test_who_lost_what_the_script_stored_is_still_the_same_visitor(
    client: FlaskClient, project: Project, store: Store
) -> None:
    kept = identity(revision=7)
    client.set_cookie(KEPT, quote(kept))
    seed = uuid_of(now_ms())
    fresh = f"1.0.{seed}.a..0.0.{seed}"  # as the stub makes it for a visitor never seen before
    answer = run(client, fresh, local=fresh + "\n{}")
    assert after(answer).endswith(".ada")
    assert DEVICE in after(answer)
    (event,) = store.recent(project.id)
    assert event.distinct_id == "ada"
    (warning,) = store.warnings(project.id)
    assert (warning.code, warning.count) == ("identity_conflict", 1)


def test_what_the_page_stored_last_wins_over_an_older_cookie(
    client: FlaskClient, project: Project, store: Store
) -> None:
    client.set_cookie(KEPT, quote(identity(revision=7)))
    answer = run(client, identity(revision=8, distinct_id="later"))
    assert after(answer).endswith(".later")
    assert store.warnings(project.id) == []
    assert "later" in set_by(answer)[KEPT]


def test_of_two_cookies_the_newer_counts_and_a_damaged_one_for_nothing(client: FlaskClient, project: Project) -> None:
    client.set_cookie(NAME, "1.zz.damaged")
    client.set_cookie(KEPT, quote(identity(revision=9)))
    assert after(run(client, identity(revision=2, distinct_id="older"))).endswith(".ada")


def test_a_page_of_another_host_or_none_gets_no_cookie(client: FlaskClient, project: Project) -> None:
    for headers in ({"Origin": "https://elsewhere.example"}, {"Origin": "null"}, {}):
        assert set_by(run(client, identity(), headers=headers)) == {}


@pytest.mark.parametrize(
    ("origin", "host", "domain", "is_set"),
    [
        ("https://www.example.com", "t.example.com", ".example.com", True),
        ("https://www.example.com", "t.example.com", "example.com", True),
        ("https://www.example.com", "t.example.com", "", False),
        ("https://www.example.com", "t.other.com", "example.com", False),
        ("https://example.com.evil.org", "t.example.com", "example.com", False),
        ("https://badexample.com", "t.example.com", "example.com", False),
    ],
)
def test_a_domain_is_used_where_page_and_server_are_both_within(
    client: FlaskClient, project: Project, origin: str, host: str, domain: str, is_set: bool
) -> None:
    answer = run(client, identity(), headers={"Origin": origin, "Host": host}, cookieDomain=domain)
    assert bool(set_by(answer)) is is_set
    if is_set:
        assert "Domain=example.com" in set_by(answer)[KEPT]


@pytest.mark.parametrize(
    "options",
    [
        {"persistence": "memory"},
        {"persistence": "localstorage"},
        {"persistence": "localStorage"},
        {"consent": "cookieless"},
    ],
)
def test_a_page_that_wants_no_cookie_gets_none(client: FlaskClient, project: Project, options: dict[str, str]) -> None:
    assert set_by(run(client, identity(), **options)) == {}


def test_posthog_js_spelling_is_a_cookie_too_and_a_slip_of_the_pen_is_said(
    client: FlaskClient, project: Project
) -> None:
    answer = run(client, identity(), persistence="localStorage+cookie")
    assert KEPT in set_by(answer)
    assert [effect[0] for effect in answer.json["effects"]] == ["store", "done"]
    (said,) = [effect for effect in run(client, identity(), persistence="disk").json["effects"] if effect[0] == "say"]
    assert said[1] == "warn"
    assert "'disk'" in said[2]


def test_a_visitor_who_has_said_no_gets_none(client: FlaskClient, project: Project) -> None:
    client.set_cookie(NAME, "denied")
    assert set_by(run(client, identity())) == {}


def test_who_said_yes_after_a_no_is_not_who_was_kept_before(client: FlaskClient, project: Project) -> None:
    client.set_cookie(KEPT, quote(identity(revision=9)))
    seed = uuid_of(now_ms())
    (fresh, local) = newcomer(seed, ASKED, after_no=True)
    answer = run(client, fresh, local=local)
    assert after(answer).endswith("." + seed)
    assert seed in set_by(answer)[KEPT]


def test_a_page_cannot_name_the_kept_identity_in_the_body(client: FlaskClient, project: Project) -> None:
    body = {"api_key": KEY, "facts": {}, "stored": [identity(2, "b"), ""], "calls": [], "kept": identity(9)}
    answer = client.post("/run", data=json.dumps(body), headers=PAGE)
    assert "ada" not in answer.text
