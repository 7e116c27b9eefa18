"""What the server reads off a user agent and a referrer (agent.py); tests/sdks/test_agent.py has the texts."""

from __future__ import annotations

from typing import Any

import pytest
from beknown_server.agent import searched, told
from beknown_server.store import Project, Store
from flask.testing import FlaskClient

from .conftest import KEY, uuid_of

IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/26.1 Mobile/15E148 Safari/604.1"
)
OURS = {"$lib": "beknown", "$raw_user_agent": IPHONE}


def test_events_and_their_person_have_a_browser_a_system_and_a_device(
    client: FlaskClient, project: Project, store: Store
) -> None:
    properties = OURS | {"$referrer": "https://www.google.co.uk/search?q=shoes", "$is_identified": True}
    event = {"event": "seen", "distinct_id": "ada", "uuid": uuid_of(), "properties": properties}
    assert client.post("/e/", json={"api_key": KEY, "batch": [event]}).status_code == 200
    (stored,) = store.recent(project.id)
    expected = {
        "$browser": "Mobile Safari",
        "$browser_version": 26.1,
        "$os": "iOS",
        "$os_version": "18.7.0",
        "$device": "iPhone",
        "$device_type": "Mobile",
        "$search_engine": "google",
        "ph_keyword": "shoes",
    }
    assert stored.properties == properties | expected
    person = store.person(project.id, "ada")
    assert person is not None
    assert {person.properties[name] for name in ("$browser", "$initial_browser")} == {"Mobile Safari"}
    assert person.properties["$initial_os"] == "iOS"


@pytest.mark.parametrize(
    "more", [{"$is_server": True}, {"$lib": "posthog-python"}, {"$browser": "Mine"}, {"$raw_user_agent": 5}]
)
def test_a_servers_text_another_sdks_and_what_the_page_says_itself_stay_as_they_are(more: dict[str, Any]) -> None:
    assert told(OURS | more) == {}


def test_what_a_page_says_of_the_system_is_believed() -> None:
    found = told(OURS | {"$os": "HarmonyOS"})
    assert "$os" not in found
    assert found["$browser"] == "Mobile Safari"


@pytest.mark.parametrize(
    ("referrer", "found"),
    [
        ("https://www.google.com/", {"$search_engine": "google"}),
        ("https://duckduckgo.com/?q=red+shoes", {"$search_engine": "duckduckgo", "ph_keyword": "red shoes"}),
        ("https://search.yahoo.com/search?p=shoes&q=x", {"$search_engine": "yahoo", "ph_keyword": "shoes"}),
        ("https://www.bing.com/search?q=", {"$search_engine": "bing"}),
        ("https://notgoogle.com/?q=x", {}),
        ("https://shop.example/?from=https://google.com/", {}),
        ("http://google.[/?q=x", {"$search_engine": "google"}),
        ("$direct", {}),
        (None, {}),
    ],
)
def test_the_engine_that_a_visitor_came_from_is_named(referrer: Any, found: dict[str, str]) -> None:
    assert searched(referrer) == found
