"""Each finding of the identity report, made for real by somebody's visits in Chromium; and the same visits, mended.

One server and one browser serve all scenarios; each has a project of its own, and each visitor a profile of their own.
A story is told twice: as the mistake is made, then must the report name it, and as it should be, then it must not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx
import pytest
from beknown.signature import sign
from beknown_server import report
from beknown_server.store import Project, Store, open_store
from playwright.sync_api import Browser, BrowserContext, Page

from .conftest import Collector, Site, tag, until
from .test_storage import NO_COOKIES, NO_LOCAL_STORAGE

NUMBERS = count()


@dataclass
class Stage:
    """A project, its site, and who visits it. ``elsewhere``: the collector is another site than the pages."""

    collector: Collector
    site: Site
    chromium: Browser
    store: Store
    project: Project
    secret: str
    contexts: list[BrowserContext] = field(default_factory=list)

    def visitor(self, *, init: str = "", elsewhere: bool = False, **attributes: str) -> Page:
        """Give a new person's browser, on the front page."""
        context = self.chromium.new_context()
        context.set_default_timeout(15_000)
        self.contexts.append(context)
        if init:
            context.add_init_script(init)
        text = tag(self.collector, key=self.project.write_key, **attributes)
        for path in ("/", "/inner"):
            self.site.add(f"/{self.project.write_key}{path}", text)
        page = context.new_page()
        page.goto(f"{self.site.elsewhere if elsewhere else self.site.url}/{self.project.write_key}/")
        return self.ready(page)

    def ready(self, page: Page) -> Page:
        page.wait_for_function("window.beknown && (navigator.globalPrivacyControl || beknown.get_distinct_id())")
        return page

    def inner(self, page: Page) -> Page:
        """Go on to another page of the site by a link."""
        page.evaluate("beknown.flush()")
        page.evaluate(f"location.href = '/{self.project.write_key}/inner'")
        page.wait_for_url("**/inner")
        return self.ready(page)

    def does(self, page: Page, script: str) -> None:
        """Run calls in the page and wait until they are delivered."""
        page.evaluate(script)
        page.evaluate("beknown.flush()")

    def ask(self, path: str, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.secret}"}
        return httpx.request("GET", self.collector.url + path, headers=headers, timeout=30, **options)

    def report(self) -> dict[str, Any]:
        answer = until(lambda: (got := self.ask("/api/identity/report")).status_code == 200 and got, "the report")
        found: dict[str, Any] = answer.json()
        return found

    def findings(self) -> dict[str, dict[str, Any]]:
        return {finding["code"]: finding for finding in self.report()["findings"]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    running = Collector(tmp_path_factory.mktemp("findings"))
    yield running
    running.end()


@pytest.fixture(scope="module")
def pages() -> Iterator[Site]:
    running = Site()
    yield running
    running.close()


def staged(server: Collector, chromium: Browser, pages: Site) -> Iterator[Stage]:
    """Give a stage with a new project."""
    store = open_store(f"sqlite:///{server.folder / 'beknown.db'}")
    name = f"bk_scenario{next(NUMBERS)}"
    project = store.create_project(name, name, "bks_" + name, time.time_ns() // 1_000_000)
    running = Stage(server, pages, chromium, store, project, "bks_" + name)
    yield running
    for context in running.contexts:
        context.close()
    store.close()


stage = pytest.fixture(staged, name="stage")
mended = pytest.fixture(staged, name="mended")


# The stories. Each gets a stage and whether the mistake is made. ---------------------------------------------------


def log_out_without_reset(stage: Stage, mistaken: bool) -> None:
    page = stage.visitor()
    stage.does(page, "beknown.identify('ada')")
    stage.does(page, "beknown.identify('eve')" if mistaken else "beknown.reset(); beknown.identify('eve')")


def identify_comes_late_on_the_second_device(stage: Stage, mistaken: bool) -> None:
    stage.does(stage.visitor(), "beknown.identify('ada')")
    time.sleep(0.01)
    phone = stage.visitor()
    if not mistaken:
        stage.does(phone, "beknown.identify('ada')")
    stage.does(phone, "for (let i = 0; i < 6; i++) beknown.capture('read ' + i)")
    time.sleep(0.01)  # times are whole milliseconds
    if mistaken:
        stage.does(phone, "beknown.identify('ada')")


def a_placeholder_is_sent_as_the_user(stage: Stage, mistaken: bool) -> None:
    """By a script that speaks to the collector itself; our own tag refuses such an id on the device."""
    user = "undefined" if mistaken else "user-42"
    post(stage, stage.visitor(), f"{{event: '$identify', distinct_id: '{user}', {CLAIM}}}", times=1)


def two_people_use_one_device(stage: Stage, mistaken: bool) -> None:
    page = stage.visitor()
    stage.does(page, "beknown.identify('ada'); beknown.reset()")
    stage.does(page, "beknown.identify('eve')" if mistaken else "beknown.identify('ada')")


def one_person_has_two_accounts(stage: Stage, mistaken: bool) -> None:
    stage.does(stage.visitor(), "beknown.identify('ada', {email: 'ada@example.com'})")
    second = "ada@example.com" if mistaken else "ada"
    stage.does(stage.visitor(), f"beknown.identify('{second}', {{email: 'Ada@Example.com'}})")


def every_request_has_an_id_of_its_own(stage: Stage, mistaken: bool) -> None:
    """As a backend does that was not handed the browser's id, and makes one up."""
    whose = "crypto.randomUUID()" if mistaken else "beknown.get_distinct_id()"
    post(stage, stage.visitor(), f"{{event: 'api called', distinct_id: {whose}}}", times=12)


def the_browser_keeps_nothing(stage: Stage, mistaken: bool) -> None:
    page = stage.visitor(init=NO_COOKIES + NO_LOCAL_STORAGE if mistaken else "", elsewhere=True)
    stage.does(stage.inner(page), "beknown.capture('read')")


def the_user_is_a_session_token(stage: Stage, mistaken: bool) -> None:
    page = stage.visitor()
    for number in range(3):
        user = f"token-{number}" if mistaken else "ada"
        stage.does(page, f"beknown.identify('{user}'); beknown.reset()")


def one_id_is_given_to_everybody(stage: Stage, mistaken: bool) -> None:
    user = "'reception'" if mistaken else "'user-' + i"
    page = stage.visitor()
    stage.does(page, f"for (let i = 0; i < 52; i++) {{ beknown.identify({user}); beknown.reset(); }}")


def a_proxy_swallows_events(stage: Stage, mistaken: bool) -> None:
    page = stage.visitor()
    stage.does(page, "beknown.ready.then(() => beknown.capture('one'))")
    if mistaken:  # the fault is the subject: somebody in between says thank you and throws them away
        page.context.route(stage.collector.url + "/**", lambda route: route.fulfill(json={"status": 1}))
    stage.does(page, "beknown.capture('two')")
    page.context.unroute_all()
    stage.does(page, "beknown.capture('three')")


def the_backend_does_not_sign(stage: Stage, mistaken: bool) -> None:
    stage.store.set_options(stage.project.id, {"signed_identities": True})
    signed = f", {{}}, {{}}, {{signature: '{sign('ada', stage.secret)}'}}"
    stage.does(stage.visitor(), f"beknown.identify('ada'{'' if mistaken else signed})")


def the_browser_asks_not_to_be_tracked(stage: Stage, mistaken: bool) -> None:
    """No mistake of the site's: the report counts them, since nobody can be told apart among them."""
    signal = "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', {get: () => true});"
    page = stage.visitor(init=signal if mistaken else "")
    stage.does(page, "beknown.capture('read')")


CLAIM = "properties: {$anon_distinct_id: beknown.get_distinct_id()}"
STORIES: dict[str, Callable[[Stage, bool], None]] = {
    "forgotten_reset": log_out_without_reset,
    "late_identify": identify_comes_late_on_the_second_device,
    "junk_id": a_placeholder_is_sent_as_the_user,
    "shared_device": two_people_use_one_device,
    "duplicate_person": one_person_has_two_accounts,
    "id_per_request": every_request_has_an_id_of_its_own,
    "storage_blocked": the_browser_keeps_nothing,
    "identified_by_changing_id": the_user_is_a_session_token,
    "oversized_person": one_id_is_given_to_everybody,
    "unsigned_identify": the_backend_does_not_sign,
    "gpc_or_opted_out": the_browser_asks_not_to_be_tracked,
    "events_lost": a_proxy_swallows_events,
}


def post(stage: Stage, page: Page, event: str, *, times: int) -> None:
    """Send an event by the page's own fetch, so often."""
    page.evaluate(
        f"""async () => {{
          for (let i = 0; i < {times}; i++) await fetch("{stage.collector.url}/e/", {{
            method: "POST", body: JSON.stringify({{api_key: "{stage.project.write_key}", ...{event}}}),
          }});
        }}"""
    )


@pytest.mark.parametrize("code", STORIES)
def test_the_mistake_is_found_and_the_mended_site_is_not_blamed(stage: Stage, mended: Stage, code: str) -> None:
    STORIES[code](stage, True)
    found = stage.findings()
    assert code in found, found
    assert found[code]["count"] >= 1
    assert found[code]["effect"]
    assert found[code]["fix"]
    assert found[code]["examples"]
    for example in found[code]["examples"]:
        assert stage.ask(f"/api/persons/{example['person_id']}").status_code == 200
    STORIES[code](mended, False)
    assert code not in mended.findings()


def test_a_site_that_does_everything_right_is_blamed_for_nothing(stage: Stage) -> None:
    page = stage.visitor()
    stage.inner(page)
    stage.does(page, "beknown.capture('signed up'); beknown.identify('ada', {email: 'ada@example.com'})")
    stage.does(page, "beknown.capture('paid'); beknown.reset()")
    phone = stage.visitor()
    stage.does(phone, "beknown.identify('ada'); beknown.capture('paid')")
    stage.does(stage.visitor(), "beknown.capture('read')")
    told = stage.report()
    assert told["findings"] == []
    assert told["loss"]["share"] == 0
    users = told["unique_users"]
    assert users["low"] <= users["persons"] <= users["high"]


def test_every_finding_has_a_story() -> None:
    assert set(STORIES) == set(report.ADVICE)
