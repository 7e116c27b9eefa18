"""Page views of pages without JavaScript."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from beknown.ids import is_uuid
from beknown.wire import unpack_cookie
from beknown_server.store import Project, Store
from flask.testing import FlaskClient

from .conftest import KEY

NAME = f"bk_{KEY}"
VISITOR = {"User-Agent": "Lynx/2.9", "Accept-Language": "de-CH,de;q=0.8"}
HERE = VISITOR | {"Referer": "http://localhost/pricing?utm_source=news"}


def test_a_pixel_counts_a_page_view_with_what_the_request_tells(
    client: FlaskClient, project: Project, store: Store
) -> None:
    answer = client.get(f"/pixel.gif?key={KEY}&title=Prices&referrer=https://search.example/", headers=HERE)
    assert (answer.status_code, answer.mimetype, answer.headers["Cache-Control"]) == (200, "image/gif", "no-store")
    assert answer.data.startswith(b"GIF89a")
    assert answer.data.endswith(b";")
    (event,) = store.recent(project.id)
    assert event.event == "$pageview"
    told = {
        "$current_url": "http://localhost/pricing?utm_source=news",
        "$pathname": "/pricing",
        "utm_source": "news",
        "title": "Prices",
        "$referrer": "https://search.example/",
        "$raw_user_agent": "Lynx/2.9",
        "$browser_language": "de-CH",
        "$lib": "beknown",
    }
    assert told.items() <= event.properties.items()
    assert is_uuid(event.distinct_id)


def test_the_next_page_of_the_same_visitor_is_theirs_in_the_same_session(
    client: FlaskClient, project: Project, store: Store
) -> None:
    for _ in range(2):
        client.get(f"/pixel.gif?key={KEY}", headers=HERE)
    cookie = client.get_cookie(NAME)
    assert cookie is not None
    visitor = unpack_cookie(unquote(cookie.value))["distinct_id"]
    events = store.recent(project.id)
    assert [event.distinct_id for event in events] == [visitor, visitor]
    assert len({event.properties["$session_id"] for event in events}) == 1


def test_across_sites_each_view_is_a_visitor_of_its_own(client: FlaskClient, project: Project, store: Store) -> None:
    for _ in range(2):
        answer = client.get(f"/pixel.gif?key={KEY}", headers=VISITOR | {"Referer": "https://elsewhere.example/"})
        assert "Set-Cookie" not in answer.headers
    assert len({event.distinct_id for event in store.recent(project.id)}) == 2


def test_an_address_in_the_query_goes_before_the_referer(client: FlaskClient, project: Project, store: Store) -> None:
    client.get(f"/pixel.gif?key={KEY}&url=https://shop.example/cart", headers=HERE)
    (event,) = store.recent(project.id)
    assert event.properties["$current_url"] == "https://shop.example/cart"


@pytest.mark.parametrize(("more", "count"), [("", 0), ("&bots=count", 1)])
def test_bots_are_not_counted_unless_asked_for(
    client: FlaskClient, project: Project, store: Store, more: str, count: int
) -> None:
    answer = client.get(f"/pixel.gif?key={KEY}{more}", headers=HERE | {"User-Agent": "Googlebot/2.1"})
    assert answer.status_code == 200
    assert len(store.recent(project.id)) == count


@pytest.mark.parametrize("query", ["", "?key=bk_nobodys", "?key=bks_secret"])
def test_a_pixel_without_a_projects_key_is_refused_and_says_why(
    client: FlaskClient, project: Project, query: str
) -> None:
    answer = client.get("/pixel.gif" + query)
    assert answer.status_code == 401
    assert answer.headers["X-Beknown-Refused"] in ("missing_key", "unknown_key", "secret_key")
