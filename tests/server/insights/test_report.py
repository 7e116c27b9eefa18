"""The identity report: each finding with the data that produces it, and a clean site that has none."""

from __future__ import annotations

import io
import re
import sys
import time
from typing import Any

import pytest
from beknown_server import replica
from beknown_server.cli import cli
from beknown_server.register import Register
from beknown_server.report import report, unique
from beknown_server.store import Claim, Event, Store
from flask.testing import FlaskClient

from ..conftest import BOTH_ENGINES
from .conftest import History, ms

RANGE = {"date_from": "2026-11-01", "date_to": "2026-11-14"}
DAY = 86_400_000


def visit(history: History, who: str, session: str, day: int, *, device: str, first: int = 1, **more: Any) -> None:
    """Store a visit of three page views, numbered as a tab numbers them, from somewhere else on the web."""
    for step in range(3):
        page = {"$device_id": device, "$window_id": session, "$sequence": first + step, "$host": "example.com",
                "$referring_domain": "example.com" if step else "search.example", **more}  # fmt: skip
        history.happens("$pageview", who, ms("2026-11-01") + (day - 1) * DAY + step * 1000, session=session, **page)


@pytest.fixture
def clean(history: History) -> History:
    """Ann signs up in her second visit and comes back; Bob comes twice and never signs up."""
    visit(history, "anon-a", "s1", 2, device="d1")
    visit(history, "anon-a", "s2", 3, device="d1")
    history.happens("$identify", "ann", "2026-11-03 00:01", anon="anon-a", session="s2", set_={"email": "ann@x.org"})
    visit(history, "ann", "s3", 5, device="d1")
    visit(history, "anon-b", "s4", 2, device="d2")
    visit(history, "anon-b", "s5", 9, device="d2")
    return history


def of(history: History, **more: Any) -> dict[str, Any]:
    register = Register(history.store, history.project.id)
    return history.ask(lambda desk, body: report(desk, register, body), {**RANGE, **more})


def named(history: History, finding: dict[str, Any]) -> list[str]:
    """Give the names of a finding's examples."""
    known = history.store.named(finding["examples"])
    return [known[number].name for number in finding["examples"]]


def findings(history: History) -> dict[str, int]:
    return {finding["code"]: finding["count"] for finding in of(history)["findings"]}


@BOTH_ENGINES
def test_a_clean_site_has_no_findings_and_stands_high_on_the_ladder(clean: History) -> None:
    found = of(clean)
    assert found["findings"] == []
    assert found["ladder"] == {"1": 10 / 16, "2": 6 / 16, "3": 0.0, "4": 0.0}
    assert found["loss"] == {"sent": 15, "received": 15, "share": 0.0}
    assert found["unique_users"] == {"persons": 2, "low": 2, "high": 2}
    assert [week["start"] for week in found["weeks"]] == ["2026-10-26", "2026-11-02", "2026-11-09"]
    assert found["weeks"][1]["ladder"]["1"] == 10 / 13


def test_nothing_at_all_is_a_report_too(history: History) -> None:
    found = of(history)
    assert found["findings"] == []
    assert found["unique_users"] == {"persons": 0, "low": 0, "high": 0}
    assert set(found["ladder"].values()) == {0.0}


def test_an_id_within_one_session_and_an_id_per_call_are_the_lower_rungs(history: History) -> None:
    visit(history, "once", "s1", 2, device="d1")
    for number in range(12):
        history.happens("api call", f"random-{number}", "2026-11-02", **{"$lib": "posthog-python"})
    found = of(history)
    assert found["ladder"] == {"1": 0.0, "2": 0.0, "3": 3 / 15, "4": 12 / 15}
    assert findings(history) == {"id_per_request": 12}


def test_a_page_that_mints_an_id_for_every_call(clean: History) -> None:
    for number in range(4):
        clean.happens("click", f"minted-{number}", f"2026-11-04 00:0{number}", session="s9")
    assert findings(clean) == {"id_per_request": 4}


def test_users_whom_a_backend_names_now_and_then_are_users(clean: History) -> None:
    for number in range(12):
        sign_up(clean, f"user {number}", 1)
        for at in ("2026-10-05", "2026-11-05"):
            clean.happens("invoice paid", f"user {number}", at, **{"$lib": "posthog-python"})
            clean.happens("seat used", f"seat {number}", at, **{"$lib": "posthog-python"})  # one id, seen again
    for number in range(3):  # on one page, each in the middle of a life of its own
        clean.happens("click", f"kiosk {number}", "2026-10-05", "2026-11-05 00:00", session="s8")
    assert of(clean)["findings"] == []
    first = of(clean, date_from="2026-11-05", date_to="2026-11-05")
    assert first["findings"] == []
    assert first["ladder"]["1"] == 15 / 30  # the twelve, and Ann's three page views
    assert first["ladder"]["4"] == 0.0


def test_what_an_id_is_its_whole_life_says(history: History) -> None:
    for number, day in enumerate(("2026-09-01", "2026-10-01", "2026-11-05")):
        history.happens("$pageview", "lasting", day, session=f"s{number}")
    assert of(history)["ladder"] == {"1": 0.0, "2": 1.0, "3": 0.0, "4": 0.0}


@BOTH_ENGINES
def test_a_forgotten_reset_by_switch_and_by_a_refused_claim(clean: History) -> None:
    clean.happens("$identify", "zoe", "2026-11-06", session="s3", **{"$previous_user": "switched"})
    assert findings(clean) == {"forgotten_reset": 1}
    clean.happens("$identify", "cleo", "2026-11-07", anon="anon-a", session="s3")
    assert findings(clean) == {"forgotten_reset": 2}


@BOTH_ENGINES
@pytest.mark.parametrize(("rule", "code"), [("junk_id", "junk_id"), ("unsigned", "unsigned_identify")])
def test_a_claim_that_was_refused_for_good(clean: History, rule: str, code: str) -> None:
    at = ms("2026-11-06")
    claim = Claim("claim", "anon-b", "somebody", refused=rule)
    new = Event("01900000-0000-7000-8000-000000000001", "$identify", "somebody", at, {}, session_id="s5", claim=claim)
    clean.store.append(clean.project.id, [new], at)
    assert findings(clean) == {code: 1}


@BOTH_ENGINES
def test_a_late_identify_of_somebody_known(clean: History) -> None:
    for hour in (1, 2):  # six things as a stranger, in one visit on a second device
        visit(clean, "anon-c", "s6", 8, device="d3", first=hour * 3)
    clean.happens("$identify", "ann", "2026-11-08 01:00", anon="anon-c", session="s6")
    assert findings(clean) == {"late_identify": 1}


@BOTH_ENGINES
def test_a_shared_device_and_a_changing_id(clean: History) -> None:
    clean.happens("$identify", "zoe", "2026-11-06", anon="anon-z", session="s7", **{"$device_id": "d1"})
    assert findings(clean) == {"shared_device": 1}
    for number in range(4):
        more = {"$device_id": "d9"}
        clean.happens("$identify", f"token-{number}", "2026-11-06", anon=f"t-{number}", session=f"t{number}", **more)
    assert findings(clean) == {"shared_device": 1, "identified_by_changing_id": 1}


def test_one_email_of_two_persons_takes_one_off_the_low_end(clean: History) -> None:
    clean.happens("$identify", "ann-2", "2026-11-06", anon="anon-y", session="s8", set_={"email": " ANN@x.org"})
    assert findings(clean) == {"duplicate_person": 1}
    unique_users = of(clean)["unique_users"]
    assert unique_users["persons"] == 3
    assert unique_users["low"] == 2


def sign_up(history: History, user: str, day: int, **set_: str) -> None:
    """Store the identify of somebody who was anonymous before."""
    history.happens("$identify", user, f"2026-11-{day:02d} 00:01", anon=f"anon of {user}", session=user, set_=set_)


@BOTH_ENGINES
def test_two_accounts_that_share_two_texts_are_one_duplicate_and_others_may_link_them(clean: History) -> None:
    for user in ("cleo", "cleo-2"):
        sign_up(clean, user, 6, email="cleo@x.org", phone="+1 555")
    assert findings(clean) == {"duplicate_person": 1}
    sign_up(clean, "dora", 6, email="dora@x.org")
    sign_up(clean, "dora-2", 6, phone="+1 777")
    sign_up(clean, "dora-3", 6, email="dora@x.org", phone="+1 777")
    assert findings(clean) == {"duplicate_person": 3}
    assert of(clean)["unique_users"] == {"persons": 7, "low": 4, "high": 7}


@BOTH_ENGINES
def test_duplicates_are_those_who_were_there_in_the_range(history: History) -> None:
    for number in range(12):
        sign_up(history, f"old {number}", 1, email=f"{number % 6}@x.org")
    for user in ("ann", "bob", "cleo"):
        sign_up(history, user, 12)
    found = of(history, date_from="2026-11-10")
    assert found["findings"] == []
    assert found["unique_users"] == {"persons": 3, "low": 3, "high": 3}
    history.happens("$pageview", "old 0", "2026-11-12")
    assert of(history, date_from="2026-11-10")["findings"] == []
    history.happens("$pageview", "old 6", "2026-11-12")
    (finding,) = of(history, date_from="2026-11-10")["findings"]
    assert (finding["code"], finding["count"]) == ("duplicate_person", 1)
    assert named(history, finding) == ["0@x.org", "0@x.org"]


def test_storage_that_does_not_last_shows_in_visits_that_begin_inside(clean: History) -> None:
    visit(clean, "fresh-1", "s8", 6, device="d8", **{"$referring_domain": "example.com"})
    assert findings(clean) == {"storage_blocked": 1}
    assert of(clean)["unique_users"] == {"persons": 3, "low": 2, "high": 3}


def test_a_person_of_too_many_ids(clean: History) -> None:
    for number in range(51):
        clean.happens("$identify", "ann", "2026-11-03 00:02", anon=f"more-{number}", session="s3")
    assert findings(clean) == {"oversized_person": 1}


def test_who_asked_not_to_be_known(clean: History) -> None:
    clean.happens("$pageview", "anon-b", "2026-11-09 01:00", session="s5", **{"$gpc": True})
    assert findings(clean) == {"gpc_or_opted_out": 1}
    clean.happens("$pageview", "nobody", "2026-11-09 02:00", personal=False, **{"$cookieless_mode": True})
    found = of(clean)["findings"]
    assert [(one["code"], one["count"], len(one["examples"])) for one in found] == [("gpc_or_opted_out", 2, 1)]


def test_a_gap_in_the_numbers_is_a_loss(clean: History) -> None:
    visit(clean, "anon-b", "s5", 10, device="d2", first=6)  # 1 to 3 came, 4 and 5 did not
    found = of(clean)
    assert found["loss"] == {"sent": 20, "received": 18, "share": 0.1}
    (finding,) = found["findings"]
    assert (finding["code"], finding["count"]) == ("events_lost", 2)
    assert named(clean, finding) == ["Visitor nonb"]


@pytest.mark.parametrize("made_up", [(0, 9e18), (2**63 - 1, -(2**63)), (0, 9e14), (0, "1e30"), (0, 2**31 - 1), (-5, 7)])
def test_a_number_that_was_made_up_loses_nothing(clean: History, made_up: tuple[Any, Any]) -> None:
    for device in ("x1", "x2", "x3"):
        for number in made_up:
            more = {"$device_id": device, "$window_id": "w", "$sequence": number}
            clean.happens("$pageview", "anon-b", "2026-11-09 00:00:03", session="s5", **more)
    found = of(clean)
    assert found["loss"]["sent"] == found["loss"]["received"]
    assert found["findings"] == []


def test_the_interval_follows_from_how_many_ids_and_users_there_are(history: History) -> None:
    """Two users with three ids each (so two left behind each), and eight strangers; each user has a device alone."""
    for user in ("u1", "u2"):
        for number in (1, 2):
            anonymous = f"{user}-{number}"
            history.happens("$pageview", anonymous, f"2026-11-0{number}", session=anonymous)
            history.happens("$identify", user, f"2026-11-0{number} 01:00", anon=anonymous, session=anonymous)
    for number in range(8):
        history.happens("$pageview", f"x{number}", "2026-11-02", session=f"x{number}")
    assert of(history)["unique_users"] == {"persons": 10, "low": 6, "high": 10}
    register = Register(history.store, history.project.id)
    body = {**RANGE, "event": "$identify"}
    assert history.ask(lambda desk, asked: unique(desk, register, asked), body) == {"persons": 2, "low": 1, "high": 2}
    history.happens("rare", "u1", "2026-11-03")
    body["event"] = "rare"  # of ten persons, 6 at least: but somebody did it
    assert history.ask(lambda desk, asked: unique(desk, register, asked), body) == {"persons": 1, "low": 1, "high": 1}


def test_over_http_examples_are_persons(client: FlaskClient, store: Any, project: Any) -> None:
    at = ms("2026-11-06")
    claim = Claim("claim", "anon", "ann")
    store.append(
        project.id, [Event("01900000-0000-7000-8000-000000000001", "$identify", "ann", at, {}, claim=claim)], at
    )
    switched = {"$previous_user": "switched"}
    store.append(project.id, [Event("01900000-0000-7000-8000-000000000002", "$identify", "bob", at, switched)], at)
    key = {"Authorization": "Bearer bks_tests_secret"}
    answer = client.get("/api/identity/report", query_string=RANGE, headers=key)
    assert answer.status_code == 200
    assert answer.json is not None
    (finding,) = answer.json["findings"]
    person = client.get("/api/persons/bob", headers=key).json
    assert finding["examples"] == [
        {"person_id": person["person_id"], "name": person["name"], "is_identified": person["is_identified"]}
    ]
    assert client.get("/api/identity/report", query_string=RANGE).status_code == 401
    assert client.get("/api/identity/report?date_from=never", headers=key).status_code == 400


@BOTH_ENGINES
def test_the_command_prints_it(clean: History, database: str, capsys: pytest.CaptureFixture[str]) -> None:
    clean.happens("$identify", "zoe", "2026-11-06", session="s3", **{"$previous_user": "switched"})
    arguments = ["report", "--database", database, "--from", "2026-11-01", "--to", "2026-11-14"]
    cli.main(arguments, standalone_mode=False)
    text = capsys.readouterr().out
    assert "1   58.8%" in text
    assert "Unique users  3, at least 3, at most 3" in text
    assert "forgotten_reset  1  (high)" in text
    assert "see Visitor zoe" in text


class Terminal(io.StringIO):
    """What a terminal was sent."""

    def isatty(self) -> bool:
        return True


def test_the_command_shows_how_far_the_copy_is_while_it_is_made(
    clean: History, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Store.columns

    def slowly(self: Store, *given: Any, **more: Any) -> Any:
        time.sleep(0.1)
        return read(self, *given, **more)

    monkeypatch.setattr(Store, "columns", slowly)
    monkeypatch.setattr(replica, "PAGE", 2)
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    cli.main(["report", "--database", database], standalone_mode=False)
    shares = [int(share) for share in re.findall(r"Columnar copy .* (\d+)%", terminal.getvalue().replace("\r", "\n"))]
    assert shares == sorted(shares)
    assert shares[-1] == 100
    assert any(0 < share < 100 for share in shares)
