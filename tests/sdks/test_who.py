"""Unmodified posthog-js, posthog-python and posthog-node say who is who; the server ends in the expected persons."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from beknown_server.store import open_store
from playwright.sync_api import Browser, Playwright
from posthog import Posthog

from ..browser.conftest import CHROMIUM, FLAGS
from .conftest import Collected, Line
from .test_js import Shop, Visit

HERE = Path(__file__).parent
Step = tuple[Any, ...]

# What happens, in words that every SDK has: see ``python``, ``node`` and ``Browsers`` for how each says it.
VISITS: list[Step] = [("anonymous", "anon-1"), ("anonymous", "anon-1")]
SIGN_UP: list[Step] = [*VISITS, ("identify", "anon-1", "u1"), ("did", "u1")]
SECOND: list[Step] = [("anonymous", "anon-2"), ("identify", "anon-2", "u1")]
ANOTHER: list[Step] = [("identify", "anon-3", "u2")]


def python(line: Line, key: str, steps: list[Step]) -> None:
    sdk = Posthog(key, host=line.url, flush_interval=0.1)
    for step in steps:
        match step:
            case ("anonymous", who):
                sdk.capture("viewed", distinct_id=who, properties={"$process_person_profile": False})
            case ("did", who):
                sdk.capture("paid", distinct_id=who)
            case ("identify", anonymous, user):
                sdk.capture("$identify", distinct_id=user, properties={"$anon_distinct_id": anonymous})
            case ("alias", event_id, other):
                sdk.alias(event_id, other)  # its first argument is the event's id, its second the alias (§4.1)
            case ("force", source, into):
                sdk.capture("$merge_dangerously", distinct_id=into, properties={"alias": source})
        time.sleep(0.005)  # what happens in one millisecond has no order: its uuids are random
    sdk.shutdown()


def node(line: Line, key: str, steps: list[Step]) -> None:
    said: list[tuple[str, dict[str, Any]]] = []
    for step in steps:
        match step:
            case ("anonymous", who):
                said.append(
                    (
                        "capture",
                        {"distinctId": who, "event": "viewed", "properties": {"$process_person_profile": False}},
                    )
                )
            case ("did", who):
                said.append(("capture", {"distinctId": who, "event": "paid"}))
            case ("identify", anonymous, user):
                said.append(("identify", {"distinctId": user, "properties": {"$anon_distinct_id": anonymous}}))
            case ("alias", event_id, other):
                said.append(("alias", {"distinctId": event_id, "alias": other}))
            case ("force", source, into):
                properties = {"alias": source}
                said.append(("capture", {"distinctId": into, "event": "$merge_dangerously", "properties": properties}))
    program = shutil.which("node")
    assert program
    command = [program, HERE / "who.mjs", line.url, key, json.dumps(said)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


class Browsers:
    """posthog-js says it: every anonymous id is a device, whose page stays open; who signed up there speaks from there.

    The anonymous ids are given to it by its ``bootstrap``, so that the stories can name them.
    """

    def __init__(self, browser: Browser, shop: Shop, collected: Collected) -> None:
        self.browser, self.shop, self.collected = browser, shop, collected
        self.visits: dict[str, Visit] = {}

    def __call__(self, line: Line, key: str, steps: list[Step]) -> None:
        stored = len(self.collected.events())
        for number, step in enumerate(steps, stored + 1):
            match step:
                case ("anonymous", who):
                    visit = self.of(line, who)
                    visit.run("posthog.capture('viewed')")
                case ("did", who):
                    visit = self.of(line, who)
                    visit.run("posthog.capture('paid')")
                case ("identify", anonymous, user):
                    visit = self.visits[user] = self.of(line, anonymous)
                    visit.run(f"posthog.identify({user!r})")
                case ("alias", event_id, other):
                    visit = self.of(line, event_id if event_id in self.visits else other)
                    visit.run(f"posthog.alias({other!r}, {event_id!r})")
                case ("force", source, into):
                    visit = self.of(line, into)
                    visit.run(f"posthog.capture('$merge_dangerously', {{alias: {source!r}}})")
            visit.until(lambda number=number: len(self.collected.events()) == number, str(step))

    def of(self, line: Line, who: str) -> Visit:
        """Give the visit of an id; of a new one, on a device of its own."""
        if who not in self.visits:
            visit = self.visits[who] = Visit(self.browser.new_context(), self.shop, line, self.collected)
            visit.open(
                f"bootstrap: {{distinctID: {who!r}}}, person_profiles: 'identified_only', request_batching: false, "
                "autocapture: false, capture_pageview: false, capture_pageleave: false"
            )
            visit.until(lambda: visit.run("window.posthog && posthog.__loaded"), "posthog-js to load")
        return self.visits[who]


Say = Callable[[Line, str, list[Step]], None]
SERVERS = pytest.mark.parametrize("say", ["posthog-python", "posthog-node"], indirect=True)
ALL = pytest.mark.parametrize("say", ["posthog-python", "posthog-node", "posthog-js"], indirect=True)


@pytest.fixture(scope="module")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """One browser for all: each device has a profile of its own."""
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, headless=True)
    yield browser
    browser.close()


@pytest.fixture
def say(request: pytest.FixtureRequest, collected: Collected) -> Iterator[Say]:
    """Say the steps through one SDK: the published package."""
    if request.param != "posthog-js":
        yield {"posthog-python": python, "posthog-node": node}[request.param]
        return
    shop = Shop()
    browsers = Browsers(request.getfixturevalue("chromium"), shop, collected)
    yield browsers
    for visit in browsers.visits.values():
        visit.page.context.close()
    shop.shutdown()
    shop.server_close()
    assert [visit.noise for visit in browsers.visits.values() if visit.noise] == []


def ids(collected: Collected, who: str) -> list[str]:
    return sorted(collected.person(who)["distinct_ids"])


@ALL
def test_sign_up_on_two_devices_is_one_person_with_all_they_did_before(
    say: Say, line: Line, collected: Collected
) -> None:
    say(line, collected.key, [*SIGN_UP, *SECOND, *ANOTHER])
    person = collected.person("anon-2")
    assert sorted(person["distinct_ids"]) == ["anon-1", "anon-2", "u1"]
    assert (person["distinct_ids"][0], person["is_identified"], person["event_count"]) == ("u1", True, 6)
    assert ids(collected, "u2") == ["anon-3", "u2"]


@ALL
def test_personless_events_count_by_themselves_and_with_the_user_from_the_claim_on(
    say: Say, line: Line, collected: Collected
) -> None:
    say(line, collected.key, VISITS)
    person = collected.person("anon-1")
    assert (person["is_identified"], person["event_count"], person["properties"]) == (False, 2, {})
    before = collected.events()
    assert [row["properties"]["$process_person_profile"] for row in before] == [False, False]
    say(line, collected.key, [("identify", "anon-1", "u1")])
    person = collected.person("anon-1")
    assert (person["distinct_ids"][0], person["is_identified"], person["event_count"]) == ("u1", True, 3)
    theirs = {row["uuid"]: row for row in collected.api("events", person="u1")["results"]}
    assert [theirs[row["uuid"]]["person_id"] for row in before] == [person["person_id"]] * 2


@ALL
@pytest.mark.parametrize("alias", [("alias", "u1", "app-7"), ("alias", "app-7", "u1")], ids=["user first", "user last"])
@pytest.mark.parametrize("known", [[], [("did", "app-7")]], ids=["never seen", "seen before"])
def test_an_alias_keeps_the_user_in_both_argument_orders(
    say: Say, line: Line, collected: Collected, alias: Step, known: list[Step]
) -> None:
    say(line, collected.key, [*SIGN_UP, *known, alias])
    person = collected.person("app-7")
    assert sorted(person["distinct_ids"]) == ["anon-1", "app-7", "u1"]
    assert (person["distinct_ids"][0], person["is_identified"]) == ("u1", True)


@SERVERS
def test_two_users_are_joined_by_no_alias_and_no_second_identify(say: Say, line: Line, collected: Collected) -> None:
    say(line, collected.key, [*SIGN_UP, *ANOTHER, ("alias", "u1", "u2"), ("identify", "anon-1", "u2")])
    assert ids(collected, "u1") == ["anon-1", "u1"]
    assert ids(collected, "u2") == ["anon-3", "u2"]
    assert collected.warnings() == {"claim refused: already_identified": 2}


@ALL
@pytest.mark.parametrize("allowed", [False, True])
def test_merge_dangerously_needs_the_projects_leave(say: Say, line: Line, collected: Collected, allowed: bool) -> None:
    store = open_store(collected.server.database)
    (project,) = [one for one in store.projects() if one.write_key == collected.key]
    store.set_options(project.id, {"merge_dangerously": allowed})
    store.close()
    say(line, collected.key, [*SIGN_UP, *ANOTHER, ("force", "u2", "u1")])
    assert ids(collected, "u1") == (["anon-1", "anon-3", "u1", "u2"] if allowed else ["anon-1", "u1"])
    assert collected.warnings() == ({} if allowed else {"claim refused: not_allowed": 1})


def test_posthog_js_on_two_devices_by_alias_and_by_force(
    playwright: Playwright,
    tmp_path: Path,
    line: Line,
    collected: Collected,
) -> None:
    shop = Shop()
    anonymous = []
    for device in ("laptop", "phone"):
        context = playwright.chromium.launch_persistent_context(
            str(tmp_path / device), executable_path=CHROMIUM, args=FLAGS, headless=True
        )
        visit = Visit(context, shop, line, collected)
        visit.open("request_batching: false, autocapture: false")
        visit.until(lambda visit=visit: visit.run("window.posthog && posthog.__loaded"), "posthog-js to load")
        anonymous.append(visit.run("posthog.get_distinct_id()"))
        visit.run("posthog.capture('viewed')")
        visit.run("posthog.identify('u1', {plan: 'pro'}, {source: 'ad'})")
        claims = len(anonymous)
        visit.until(lambda claims=claims: collected.names()["$identify"] == claims, "the claim")
        if device == "phone":
            visit.run("posthog.alias('app-7')")
            visit.page.wait_for_timeout(10)
            visit.run("posthog.alias('u1', 'app-8')")  # the other way round
            visit.page.wait_for_timeout(10)
            visit.run("posthog.capture('$merge_dangerously', {alias: 'u2'})")
            visit.until(lambda: collected.names()["$merge_dangerously"] == 1, "the forced merge")
            visit.until(lambda: collected.names()["$create_alias"] == 2, "both aliases")
        context.close()
    shop.shutdown()
    shop.server_close()
    person = collected.person("u1")
    assert sorted(person["distinct_ids"]) == sorted(["u1", "app-7", "app-8", *anonymous])
    assert (person["distinct_ids"][0], person["is_identified"]) == ("u1", True)
    assert (person["properties"]["plan"], person["properties"]["source"]) == ("pro", "ad")
    assert person["properties"]["$initial_utm_source"] == "news"
    assert collected.warnings() == {"claim refused: not_allowed": 1}
