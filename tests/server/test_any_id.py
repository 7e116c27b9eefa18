"""Whatever an id looks like, its person is found, explained, corrected and deleted by it, and nobody else is."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import pytest
from beknown_server import Settings, create_app, mount
from beknown_server.cli import cli
from beknown_server.store import Project, Store, person_id
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient

from .conftest import BOTH_ENGINES, KEY, SECRET

BEARER = {"Authorization": f"Bearer {SECRET}"}
ODD = [
    "users/1",
    "/users/1",
    "//users/1",
    "users//1",
    "users/1/",
    "a b",
    " a",
    "a%2Fb",
    "a/b",
    "100%25",
    "100%",
    "a?b#c",
    "a",
    "a\n",
    "a\nb",
    "a\r\nb",
    "zoë/東京",
    "merge",
    "-dash",
    "x",
    "y/explain",
]


class Site:
    """An application with everybody of ODD, and one called base; ``at`` is where it is mounted."""

    def __init__(self, app: Flask, at: str, store: Store, database: str) -> None:
        self.app, self.at, self.store, self.database = app, at, store, database
        self.send(*ODD, "base")

    def send(self, *ids: str) -> None:
        batch = [{"event": "x", "distinct_id": one} for one in ids]
        answer = self.app.test_client().post(f"{self.at}/e/", json={"api_key": KEY, "batch": batch})
        assert answer.json == {"status": 1}

    def api(self, verb: str, any_id: str, more: str = "") -> Any:
        address = f"{self.at}/api/persons/{quote(any_id, safe='')}{more}"
        return self.app.test_client().open(address, method=verb, headers=BEARER)

    def person(self, any_id: str) -> str:
        return f"{self.at}/people/{quote(any_id, safe='')}"

    def signed_in(self, page: str) -> tuple[FlaskClient, Any]:
        """Give a browser that was led to the log-in on its way to a page, and where it then arrived."""
        client = self.app.test_client()
        login = client.get(page)
        assert login.status_code == 302
        values = forms(client.get(login.location).text)[f"{self.at}/login"]
        return client, client.post(f"{self.at}/login", data={**values, "secret_key": SECRET})

    def submit(self, client: FlaskClient, page: str, verb: str, **typed: str) -> Any:
        """Fill in and send a form of a person's page."""
        action = f"{self.at}/people/{verb}"
        return client.post(action, data={**forms(client.get(page).text)[action], **typed})

    def ids(self, any_id: str) -> list[str]:
        found = self.store.person(1, any_id)
        return sorted(found.distinct_ids) if found else []


def forms(page: str) -> dict[str, dict[str, str]]:
    """Give what the forms of a page send as it is, by action; a browser makes CR LF of each line break in it."""
    found: dict[str, dict[str, str]] = {}

    class Reader(HTMLParser):
        action = ""

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            given = {name: value or "" for name, value in attrs}
            if tag == "form":
                self.action = given.get("action", "")
                found.setdefault(self.action, {})
            if tag == "input" and given.get("type") == "hidden":
                found[self.action][given["name"]] = "\r\n".join(given["value"].splitlines())

    Reader().feed(page)
    return found


@pytest.fixture(params=["", "/t"])
def site(request: pytest.FixtureRequest, store: Store, project: Project, database: str) -> Site:
    settings, at = Settings(database=database), request.param
    app = Flask(__name__, static_folder=None) if at else create_app(settings, store=store)
    if at:
        app.secret_key = "tests"
        mount(app, settings, store=store, url_prefix=at)
    return Site(app, at, store, database)


@pytest.mark.parametrize("odd", ODD)
def test_it_is_read_and_merged(site: Site, odd: str) -> None:
    assert site.api("GET", odd).json["distinct_ids"] == [odd]
    assert site.api("GET", odd, "/explain").json == {"links": [], "refused": [], "undone": []}
    client, arrived = site.signed_in(site.person(odd))
    page = client.get(arrived.location).text
    assert forms(page)[f"{site.at}/people/delete"]["person"] == site.store.person(1, odd).person_id
    if "\n" not in odd:  # no browser lets one type that
        done = site.submit(client, site.person("base"), "merge", into=odd)
        assert done.status_code == 303
        page = client.get(done.location).text
        assert "They are one person now" in page
        assert forms(page)[f"{site.at}/people/delete"]["person"] == site.store.person(1, odd).person_id
        assert site.ids(odd) == sorted([odd, "base"])


@pytest.mark.parametrize("odd", ODD)
def test_what_is_undone_and_redone_leads_back_to_the_person(site: Site, odd: str) -> None:
    link = site.store.corrections.merge(1, "base", odd, now=1)
    client, _ = site.signed_in(site.person(odd))
    for verb, told in (("undo", "The link is undone"), ("redo", "The link holds again")):
        # The button that names the link stands in the form of a split, or of a redo.
        values = forms(client.get(site.person(odd)).text)[f"{site.at}/people/{'split' if verb == 'undo' else verb}"]
        done = client.post(f"{site.at}/people/{verb}", data={**values, "link": link})
        page = client.get(done.location).text
        assert told in page
        assert forms(page)[f"{site.at}/people/delete"]["person"] == site.store.person(1, odd).person_id


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("site", [""], indirect=True)
def test_it_is_split_off_by_its_box(site: Site, odd: str) -> None:
    site.store.corrections.merge(1, odd, "base", now=1)
    client, _ = site.signed_in(site.person("base"))
    (box,) = re.findall(r'name="distinct_id" value="([^"]*)"', client.get(site.person("base")).text)
    sent = "\r\n".join(unescape(box).splitlines())
    assert site.submit(client, site.person("base"), "split", distinct_id=sent).status_code == 303
    assert (site.ids("base"), site.ids(odd)) == (["base"], [odd])


def test_who_calls_themselves_by_anothers_own_id_is_not_taken_for_them(site: Site) -> None:
    site.store.corrections.merge(1, "x", "base", now=1)
    own = str(person_id(1, "base"))
    site.send(own)
    assert site.ids(own) == ["base", "x"]
    assert site.ids(str(person_id(1, own))) == [own]
    client, arrived = site.signed_in(site.person("base"))
    assert "Merged by force" in client.get(arrived.location).text
    assert site.submit(client, site.person("base"), "merge", into="a").status_code == 303
    assert site.ids("a") == ["a", "base", "x"]
    assert site.submit(client, site.person("base"), "delete", sure="on").status_code == 303
    assert (site.ids("base"), site.ids(str(person_id(1, own)))) == ([], [own])


def by_api(site: Site, odd: str) -> None:
    assert site.api("DELETE", odd).json == {"events": 1, "distinct_ids": 1}


def by_form(site: Site, odd: str) -> None:
    client, _ = site.signed_in(site.person(odd))
    assert site.submit(client, site.person(odd), "delete", sure="on").status_code == 303


def by_command(site: Site, odd: str) -> None:
    def run(*words: str) -> str:
        done = CliRunner().invoke(cli, ["person", words[0], "--database", site.database, *words[1:], "--", odd])
        assert done.exit_code == 0, done.output
        return done.stdout_bytes.decode()

    assert f"id         {odd}\n" in run("show")
    assert run("explain") == "Nothing was ever said about this id: it is alone.\n"
    assert run("delete", "--yes") == "Deleted: 1 events, 1 ids.\n"


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(("site", "delete"), [("/t", by_api), ("/t", by_form), ("", by_command)], indirect=["site"])
def test_it_is_deleted_and_nobody_else(site: Site, delete: Callable[[Site, str], None], odd: str) -> None:
    delete(site, odd)
    left = [one.distinct_ids for one in site.store.people(1, limit=100)]
    assert sorted(left) == sorted([one] for one in [*ODD, "base"] if one != odd)


MENDED = [("auth0|" + "a" * 210, "auth0|" + "a" * 194), ("z" * 199 + "\0z", "z" * 199 + "\ufffd"), ("b\0b", "b\ufffdb")]


@BOTH_ENGINES
@pytest.mark.parametrize(("sent", "kept"), MENDED, ids=["long", "long, with NUL", "NUL"])
@pytest.mark.parametrize("site", [""], indirect=True)
def test_an_id_that_was_mended_when_it_came_is_found_as_the_site_knows_it(site: Site, sent: str, kept: str) -> None:
    site.send(sent)
    assert site.api("GET", sent).json["distinct_ids"] == [kept]
    events = site.app.test_client().get("/api/events", query_string={"distinct_id": sent}, headers=BEARER).json
    assert [one["distinct_id"] for one in events["results"]] == [kept]
    client, arrived = site.signed_in(site.person(sent))
    assert client.get(arrived.location).status_code == 200
    assert site.submit(client, site.person("base"), "merge", into=sent).status_code == 303
    (link,) = site.api("GET", sent, "/explain").json["links"]
    assert (link["distinct_id"], link["to"]) == ("base", kept)
    site.store.corrections.split(1, [sent], now=1)
    assert site.ids("base") == ["base"]
    assert site.api("DELETE", sent).json == {"events": 1, "distinct_ids": 1}
    assert (site.ids("base"), site.ids(kept)) == (["base"], [])


@pytest.mark.parametrize("site", [""], indirect=True)
def test_half_an_emoji_is_found_as_it_was_kept(site: Site) -> None:
    site.send("ada \ud83d")
    assert site.ids("ada \ud83d") == ["ada \ufffd"]


@pytest.mark.parametrize("site", [""], indirect=True)
def test_the_terminal_finds_an_id_that_was_cut_and_shows_whose_it_is(site: Site) -> None:
    (sent, kept), *_ = MENDED
    site.send(sent)

    def run(*words: str) -> str:
        return CliRunner().invoke(cli, ["person", *words, sent, "--database", site.database]).output

    assert f"id         {kept}\n" in run("show")
    assert run("explain") == "Nothing was ever said about this id: it is alone.\n"
    assert run("delete", "--yes") == "Deleted: 1 events, 1 ids.\n"


@pytest.mark.parametrize("verb", ["show", "explain", "merge", "split", "delete"])
def test_the_help_says_how_to_name_an_id_that_begins_with_a_dash(verb: str) -> None:
    for words in (["person", "--help"], ["person", verb, "--help"]):
        told = CliRunner().invoke(cli, words).output
        assert "An id that begins with a dash goes behind --, after all options: -- -id" in told
