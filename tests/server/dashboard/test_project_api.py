"""GET and PATCH /api/project: what /settings shows and keeps, for programs."""

from __future__ import annotations

from typing import Any

import pytest
from beknown_server import openapi
from beknown_server.options import DEFAULTS, READ
from jsonschema import Draft202012Validator
from werkzeug.test import TestResponse

from .conftest import SECRET_KEY, WRITE_KEY, Dashboard, csrf_of
from .test_settings_page import CHOSEN, FORM, options_of

KEY = {"Authorization": f"Bearer {SECRET_KEY}"}


def patched(dashboard: Dashboard, body: Any) -> TestResponse:
    answer = dashboard.client().patch("/api/project", json=body, headers=KEY)
    described = openapi.PATHS["/api/project"]["patch"]["responses"][str(answer.status_code)]
    schema = described["content"]["application/json"]["schema"]
    Draft202012Validator({**schema, "components": openapi.document()["components"]}).validate(answer.json)
    return answer


def test_a_fresh_project_has_chosen_nothing_and_no_secret_is_shown(dashboard: Dashboard) -> None:
    answer = dashboard.client().get("/api/project", headers=KEY)
    assert answer.json == {"name": "Tests", "write_key": WRITE_KEY, **DEFAULTS}
    assert SECRET_KEY not in answer.text


def test_it_is_what_the_page_has_kept(dashboard: Dashboard) -> None:
    client = dashboard.signed_in()
    client.post("/settings", data={"csrf": csrf_of(client.get("/settings").text), **FORM})
    assert client.get("/api/project").json == {"name": "Tests", "write_key": WRITE_KEY, **CHOSEN}


def test_what_is_sent_changes_and_the_rest_stays(dashboard: Dashboard) -> None:
    assert patched(dashboard, {**CHOSEN, "origins": ["https://Shop.example/", "*.shop.example"]}).status_code == 200
    assert options_of(dashboard) == CHOSEN
    answer = patched(dashboard, {"retention_days": None, "signed_identities": False})
    assert answer.json == {
        "name": "Tests",
        "write_key": WRITE_KEY,
        **CHOSEN,
        "retention_days": None,
        "signed_identities": False,
    }
    assert dashboard.client().get("/api/project", headers=KEY).json == answer.json
    assert patched(dashboard, {}).json == answer.json
    assert set(DEFAULTS) == set(READ) == set(openapi.SCHEMAS["Options"]["properties"])


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("timezone", "Mars/Phobos", "no time zone"),
        ("timezone", "", "no time zone"),
        ("timezone", None, "no time zone"),
        ("timezone", ["UTC"], "no time zone"),
        ("week_start", "Monday", "sunday or monday"),
        ("week_start", {}, "sunday or monday"),
        ("origins", "shop.example", "list of sites"),
        ("origins", [1], "list of sites"),
        ("origins", [""], "is no site"),
        ("origins", ["a.example b.example"], "is no site"),
        ("origins", ["javascript:alert(1)"], "is no site"),
        ("origins", [f"a{n}.example" for n in range(51)], "over 50"),
        ("retention_days", 0, "number of days"),
        ("retention_days", -1, "number of days"),
        ("retention_days", 36_501, "number of days"),
        ("retention_days", True, "number of days"),
        ("retention_days", 1.5, "number of days"),
        ("retention_days", "400", "number of days"),
        ("signed_identities", "no", "true or false"),
        ("merge_dangerously", 1, "true or false"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_kept(dashboard: Dashboard, name: str, value: Any, said: str) -> None:
    answer = patched(dashboard, {**CHOSEN, name: value})
    assert (answer.status_code, answer.json["code"]) == (400, "bad_option")
    assert answer.json["detail"].startswith(f"{name}: ")
    assert said in answer.json["detail"]
    assert options_of(dashboard) == {}


@pytest.mark.parametrize("name", ["write_key", "secret_key", "name", "time_zone"])
def test_keys_are_not_changed_here_nor_is_what_there_is_not(dashboard: Dashboard, name: str) -> None:
    answer = patched(dashboard, {**CHOSEN, name: "bk_another"})
    assert (answer.status_code, answer.json["code"]) == (400, "unknown_option")
    assert name in answer.json["detail"]
    assert "rotate-key" in answer.json["detail"]
    assert options_of(dashboard) == {}


@pytest.mark.parametrize("body", [[], None, "UTC"])
def test_what_is_no_object_is_refused(dashboard: Dashboard, body: Any) -> None:
    assert patched(dashboard, body).json["code"] == "not_an_object"


def test_changing_takes_the_secret_key_itself(dashboard: Dashboard) -> None:
    for client in (dashboard.client(), dashboard.signed_in()):
        assert client.patch("/api/project", json=CHOSEN).status_code == 401
    wrong = {"Authorization": f"Bearer {WRITE_KEY}"}
    assert dashboard.client().patch("/api/project", json=CHOSEN, headers=wrong).status_code == 401
    assert options_of(dashboard) == {}
