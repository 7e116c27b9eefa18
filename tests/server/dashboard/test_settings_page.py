"""/settings shows and keeps what a project has chosen, refuses what cannot be, and changes the secret key."""

from __future__ import annotations

import re
from typing import Any

import pytest
from beknown_server.insights import zone_of
from beknown_server.options import Chosen, of_form
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from .conftest import NOW, SECRET_KEY, Dashboard, csrf_of, log_in

FORM = {
    "timezone": "Europe/Berlin",
    "week_start": "monday",
    "origins": "https://Shop.example/\n*.shop.example",
    "retention_days": "400",
    "signed_identities": "on",
}
CHOSEN = {
    "timezone": "Europe/Berlin",
    "week_start": "monday",
    "origins": ["https://shop.example", "*.shop.example"],
    "retention_days": 400,
    "signed_identities": True,
    "merge_dangerously": False,
}


def sent(client: FlaskClient, form: dict[str, str], path: str = "/settings") -> TestResponse:
    return client.post(path, data={"csrf": csrf_of(client.get("/settings").text), **form})


def options_of(dashboard: Dashboard) -> dict[str, Any]:
    return next(one for one in dashboard.store.projects() if one.id == dashboard.project.id).options


def test_what_is_chosen_is_kept_and_shown(dashboard: Dashboard) -> None:
    client = dashboard.signed_in()
    assert sent(client, FORM).status_code == 303
    assert options_of(dashboard) == CHOSEN
    page = client.get("/settings").text
    assert 'value="Europe/Berlin"' in page
    assert "https://shop.example\n*.shop.example" in page
    assert re.search(r'name="signed_identities" checked', page)
    assert not re.search(r'name="merge_dangerously" checked', page)


def test_days_are_those_of_the_chosen_zone_at_once(dashboard: Dashboard) -> None:
    dashboard.happens("Paid", "ada", at=NOW)  # 23:00 UTC: the next day in Berlin
    client = dashboard.signed_in()
    days = "/insights.csv?event=Paid&span=custom&first=2026-11-23&last=2026-11-24"
    assert client.get(days).text.splitlines()[1:3] == ["2026-11-23,1", "2026-11-24,0"]
    sent(client, FORM)
    assert client.get(days).text.splitlines()[1:3] == ["2026-11-23,0", "2026-11-24,1"]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("timezone", "Mars/Phobos", "no time zone"),
        ("timezone", "../../etc/passwd", "no time zone"),
        ("origins", "javascript:alert(1)", "is no site"),
        ("origins", "shop.example/path", "is no site"),
        ("origins", "\n".join(f"a{n}.example" for n in range(51)), "over 50"),
        ("retention_days", "-1", "number of days"),
        ("retention_days", "0", "number of days"),
        ("retention_days", "soon", "number of days"),
    ],
)
def test_what_cannot_be_is_said_beside_its_field_and_nothing_is_kept(
    dashboard: Dashboard, name: str, value: str, said: str
) -> None:
    client = dashboard.signed_in()
    answer = sent(client, {**FORM, name: value})
    assert answer.status_code == 400
    assert re.search(rf'id="wrong-{name}" role="alert">[^<]*{said}', answer.text)
    assert options_of(dashboard) == {}


@given(st.dictionaries(st.sampled_from([*FORM, "other"]), st.text(max_size=30)))
def test_whatever_is_sent_is_read(form: dict[str, str]) -> None:
    chosen = Chosen(of_form({"timezone": "UTC", **form}), {"kept": 1})
    assert chosen.options["kept"] == 1
    assert "other" not in chosen.options
    if not chosen.wrong:
        zone_of(chosen.options)


def test_a_new_secret_key_is_shown_once_and_the_old_one_ends(dashboard: Dashboard) -> None:
    client = dashboard.signed_in()
    page = sent(client, {"keep": "0"}, "/settings/key").text
    found = re.search(r'id="secret">(bks_\w+)<', page)
    assert found
    assert found[1] not in client.get("/settings").text
    assert log_in(dashboard.client(), found[1]).status_code == 303
    assert log_in(dashboard.client(), SECRET_KEY).status_code == 401


def test_the_old_key_may_go_on_for_a_while(dashboard: Dashboard) -> None:
    sent(dashboard.signed_in(), {"keep": "24"}, "/settings/key")
    assert log_in(dashboard.client(), SECRET_KEY).status_code == 303


@pytest.mark.parametrize("path", ["/settings", "/settings/key"])
def test_nothing_changes_without_a_session_and_its_token(dashboard: Dashboard, path: str) -> None:
    assert dashboard.client().post(path, data=FORM).status_code == 302
    assert dashboard.signed_in().post(path, data=FORM).status_code == 400
    assert options_of(dashboard) == {}
    assert log_in(dashboard.client(), SECRET_KEY).status_code == 303
