"""Nothing is lost: the property, and the shrunk histories that once broke it.

    Whatever happens to pages, tabs, answers and storage, at any point between any two writes: after the next good
    page load every captured event is at the server exactly once, under the identity it was captured with, in order.

The parts that decide are real: the worker's host with the core, and the core under ``POST /run``. Around them a model
of the stub (static/beknown.js, same names), of two tabs that share storage, and of a server that keeps each event
once. Time passes and messages arrive only where a step says so: any interleaving is a list of steps.
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any
from unittest import mock

from beknown import ids
from beknown.hosts import worker
from beknown_server import deferred
from hypothesis import given, settings
from hypothesis import strategies as some

KEY = "bk_test"
NAME = "bk_" + KEY
SEED = "01a20a91-ae05-7e94-aea9-36f6d0ff238a"
START = 1795473649157
USERS = ("ada", "bob")


class Died(Exception):
    """The page is gone, in the middle of what it was doing."""


class Browser:
    """What outlives pages: the clock, the cookie, localStorage (which may be full) and the way to the server."""

    def __init__(self) -> None:
        self.clock = START
        self.cookie = ""
        self.disk: dict[str, str] = {}
        self.full = False
        self.events: list[dict[str, Any]] = []  # the server's, each once, in the order of arrival
        self.calls: list[Call] = []
        self.random = 0
        self.who = SEED  # whom the last log-in or log-out that was stored made of the visitor

    def uuid(self) -> str:
        """Ids that sort in call order, as the stub makes them."""
        self.random += 1
        return ids.uuid7(self.clock, self.random.to_bytes(2, "big") * 5)

    def write(self, cookie: str) -> None:
        self.cookie = cookie
        who = cookie.split(".", 7)[7]
        for number, call in enumerate(self.calls):
            if not call.settled and call.identity == who:
                self.who = who
                for earlier in self.calls[: number + 1]:
                    earlier.settled |= earlier.tab == call.tab

    def allow(self, call: Call) -> None:
        """Say whom a capture may be filed under: what its tab said last, or else who was stored last when made;
        another tab's log-in or log-out may come first while it is not stored yet."""
        if call.name == "capture":
            own = [each.identity for each in self.calls if each.tab == call.tab and not each.settled]
            call.allowed = {own[-1] if own else self.who}
            if any(each.tab != call.tab for each in self.calls):
                call.allowed.add(self.who)
            call.allowed |= {each.identity for each in self.calls if each.tab != call.tab and not each.settled}
        elif call.name != "register":
            for each in self.calls:
                if each.tab != call.tab:
                    each.allowed.add(call.identity)
        self.calls.append(call)

    def arrive(self, events: list[dict[str, Any]]) -> None:
        known = {event["uuid"] for event in self.events}
        self.events += [event for event in events if event["uuid"] not in known]

    def run(self, body: dict[str, Any]) -> list[list[Any]]:
        """POST /run: the real handler's core, with this server's store."""
        with mock.patch.object(deferred, "accept", lambda site, project, events, **_: site.arrive(events)):
            return deferred.run_calls(self, None, body, self.clock)  # type: ignore[arg-type]


class Call:
    """One call of the page, and who made it as far as the page can know."""

    def __init__(self, id: str, tab: str, name: str, args: list[Any]) -> None:
        self.id, self.tab, self.name, self.args = id, tab, name, args
        self.owed = True  # it is in the journal, or its page lives
        self.journalled = False
        self.settled = name not in ("identify", "reset")  # the change of identity that it asks for has been stored
        self.allowed: set[str] = set()  # whom a capture may be filed under

    @property
    def identity(self) -> str:
        """The distinct id that follows from an identify() or a reset()."""
        return self.args[0] if self.name == "identify" else ids.derived(self.id, "anonymous")


class Page:
    """One page of a tab: the stub, with Python in a worker once that is up."""

    def __init__(self, browser: Browser, tab: str) -> None:
        self.browser, self.tab = browser, tab
        self.writes: int | None = None  # how many more writes before the page dies; None: it does not
        self.unsent: dict[str, list[str]] = {}
        self.queue: list[str] = []
        self.worker: worker.Worker | None = None
        self.to_worker: list[dict[str, Any]] = []
        self.to_page: list[list[Any]] = []
        self.request: str | None = None  # to /e/, unanswered
        self.wake: float | None = None
        self.running: tuple[list[str], dict[str, Any]] | None = None  # to /run, unanswered
        self.runs = True
        self.memory = ""
        self.tight = False  # a call's events found no room: what follows from them waits until the server has them
        self.held: list[list[Any]] = []
        self.seen = self.identity()
        if not self.seen:
            first = f"1.0.{SEED}.a..0.0.{SEED}"
            self.store(first, first + "\n{}")
        self.adopt_journal()

    # Storage

    def writing(self) -> None:
        if self.writes is not None:
            if self.writes == 0:
                raise Died
            self.writes -= 1

    def keep(self, place: str, text: str) -> bool:
        self.writing()
        if not self.browser.full:
            self.browser.disk[place] = text
        return not self.browser.full

    def identity(self) -> str:
        return self.browser.cookie or self.browser.disk.get(NAME, "").split("\n")[0] or self.memory

    def stored(self) -> list[str]:
        return [self.browser.cookie or self.memory, self.browser.disk.get(NAME, "")]

    def store(self, text: str, local: str) -> None:
        self.keep(NAME, local)
        self.writing()
        self.browser.write(text)
        self.memory = text
        self.seen = self.identity()

    # The journal

    def adopt(self, id: str, text: str, place: str) -> None:
        self.unsent[id] = [text, place]
        self.queue.append(id)

    def adopt_journal(self) -> None:
        for place in sorted(self.browser.disk):
            prefix, _, rest = place.partition("~")
            id, _, owner = rest.partition("~")
            old = self.browser.clock - ids.time_of(id) > 30000 if id else False
            if prefix == NAME and id and id not in self.unsent and (owner == self.tab or old):
                self.adopt(id, self.browser.disk[place], place)

    def call(self, name: str, *args: Any) -> None:
        self.browser.clock += 10
        call = Call(self.browser.uuid(), self.tab, name, list(args))
        entry = {
            "call": name,
            "args": call.args,
            "at": self.browser.clock,
            "url": "https://a.example/",
            "window": self.tab,
        }
        place = f"{NAME}~{call.id}~{self.tab}"
        self.adopt(call.id, json.dumps(entry), place)
        call.journalled = self.keep(place, self.unsent[call.id][0])  # dies here: it never returned, so it never was
        self.browser.allow(call)

    # Python

    def hand_over(self) -> None:
        if not self.queue or self.running or not (self.worker or self.runs):
            return
        calls, self.queue = self.queue, []
        if self.worker is None:
            self.seen = self.identity()
            self.running = calls, self.run_body(calls)
        else:
            changed = self.identity() != self.seen
            self.to_worker.append({"calls": self.texts(calls), "stored": changed and self.stored()})
            self.seen = self.identity()

    def texts(self, calls: list[str]) -> list[list[str]]:
        return [[id, self.unsent[id][0]] for id in calls]

    def run_body(self, calls: list[str]) -> dict[str, Any]:
        return {"api_key": KEY, "facts": {}, "options": {}, "stored": self.stored(), "calls": self.texts(calls)}

    def ran(self, how: str) -> None:
        """An answer to /run: ok; lost (the server ran it); or refused."""
        if self.running is None:
            return
        calls, body = self.running
        effects = self.browser.run(body) if how in ("ok", "lost") else []
        if how == "ok" and self.identity() == self.seen:
            self.carry_out(effects)
        else:
            self.runs = how == "ok"  # another tab was faster: once more, on what it stored
            self.queue = calls + self.queue
        self.running = None
        self.hand_over()

    def carry_out(self, effects: list[list[Any]]) -> None:
        for effect in effects:
            if self.tight and effect[0] in ("store", "done"):
                self.held.append(effect)
            elif effect[0] == "store":
                if self.identity() == self.seen or self.worker is None:
                    self.store(effect[1], effect[2])
                else:
                    self.seen = self.identity()
                    self.to_worker.append({"stored": self.stored()})
            elif effect[0] == "journal":
                raw, place = self.unsent[effect[1]]
                self.unsent[effect[1]][0] = effect[2]
                self.keep(place, effect[2])
                self.tight |= self.browser.disk.get(place) == raw
            elif effect[0] == "done":
                for id in effect[1]:
                    if id in self.unsent:
                        self.writing()
                        self.browser.disk.pop(self.unsent.pop(id)[1], None)
        if self.tight and set(self.unsent) <= {id for effect in self.held if effect[0] == "done" for id in effect[1]}:
            self.tight, held, self.held = False, self.held, []
            self.carry_out(held)

    def up(self) -> None:
        """Python is up in the worker; it waits for an answer of the server's."""
        if self.worker is not None or self.running:
            return
        self.worker = worker.Worker()
        self.seen = self.identity()
        self.adopt_journal()
        start = {"key": KEY, "facts": {}, "options": {}, "stored": self.stored()}
        self.to_worker.append({"start": start, "calls": self.texts(self.queue)})
        self.queue = []

    def work(self) -> None:
        """The worker takes one message (worker.js)."""
        if self.worker is None or not self.to_worker:
            return
        rest = []
        clock = SimpleNamespace(time=lambda: self.browser.clock / 1000)
        with mock.patch.object(worker, "time", clock):
            effects = json.loads(self.worker.handle(json.dumps(self.to_worker.pop(0))))
        for effect in effects:
            if effect[0] == "send":
                self.request = effect[1]
            elif effect[0] == "wake":
                self.wake = self.browser.clock + effect[1]
            else:
                rest.append(effect)
        if rest:
            self.to_page.append(rest)

    def hear(self) -> None:
        if self.to_page:
            self.carry_out(self.to_page.pop(0))

    def turn(self) -> None:
        """What usually happens: Python is up, and every message is taken."""
        self.ran("ok")
        self.up()
        while self.to_worker or self.to_page:
            self.work()
            self.hear()

    def tick(self) -> None:
        if self.wake is not None:
            self.browser.clock = max(self.browser.clock, int(self.wake) + 1)
            self.wake = None
            self.to_worker.append({"wake": True})

    def answer(self, how: str) -> None:
        """An answer to /e/: a status; or lost (the server has the events)."""
        if self.request is None:
            return
        if how in ("200", "lost"):
            self.browser.arrive(json.loads(self.request)["batch"])
        self.request = None
        status = 0 if how == "lost" else int(how)
        self.to_worker.append({"answer": {"status": status, "retry_after": 0, "detail": ""}})

    # The end

    def gone(self, arrives: bool) -> None:
        """The page is no more; what was on its way arrives or not."""
        if arrives and self.request:
            self.browser.arrive(json.loads(self.request)["batch"])
        if arrives and self.running:
            self.browser.run(self.running[1])
        for call in self.browser.calls:
            if call.tab == self.tab and not call.journalled:
                call.owed = False

    def leave(self, arrives: bool) -> None:
        """pagehide: what is unsent goes to /run by beacon."""
        if self.unsent and not self.running and arrives:
            self.browser.run(self.run_body(list(self.unsent)))
        self.gone(arrives)

    def settle(self) -> None:
        """Let everything happen, the server being well."""
        for _ in range(1000):
            self.ran("ok")
            self.up()
            self.work()
            self.hear()
            self.answer("200")
            if not (self.to_worker or self.to_page or self.request or self.running or self.queue):
                if not self.unsent:
                    return
                self.tick()
        raise AssertionError(f"never delivered: {list(self.unsent.values())}")


class World:
    """A browser with up to two tabs, and the steps that a history is made of."""

    def __init__(self) -> None:
        self.browser = Browser()
        self.pages: dict[str, Page] = {}

    def page(self, tab: str) -> Page:
        if tab not in self.pages:
            self.pages[tab] = Page(self.browser, tab)
        return self.pages[tab]

    def step(self, what: str, tab: str, detail: Any = None) -> None:
        page = self.page(tab)
        try:
            if what == "calls":
                for name, *args in detail:
                    page.call(name, *args)
                page.hand_over()
            elif what == "leave":
                page.leave(detail)
                del self.pages[tab]
            elif what == "dies after":
                page.writes = detail
            elif what == "full":
                self.browser.full = detail
            elif what == "wait":
                self.browser.clock += detail
            else:
                getattr(page, what)(*([] if detail is None else [detail]))
        except Died:
            page.gone(arrives=False)
            del self.pages[tab]

    def end(self) -> None:
        """A good page load in every tab: time has passed, storage takes writes, the server is well."""
        self.browser.full = False
        for page in self.pages.values():
            page.writes = None
        for tab in ("w", "b"):
            if tab in self.pages:
                self.pages.pop(tab).leave(arrives=False)
        self.browser.clock += 60000
        self.page("w").settle()


def replay(*steps: tuple[Any, ...]) -> World:
    """Live through a history and hold its end against the property."""
    world = World()
    for step in steps:
        world.step(*step)
    world.end()
    events = {event["uuid"]: event for event in world.browser.events}
    assert len(events) == len(world.browser.events)
    captured = [call for call in world.browser.calls if call.name == "capture"]
    missing = [call.id for call in captured if call.owed and call.id not in events]
    assert not missing, f"lost: {missing}"
    assert {uuid for uuid, event in events.items() if event["event"] == "x"} <= {call.id for call in captured}
    for tab in ("w", "b"):
        order = [event["uuid"] for event in world.browser.events if event["properties"]["$window_id"] == tab]
        assert order == sorted(order), f"out of order: {order}"
    told = all(call.owed for call in world.browser.calls)  # otherwise a log-in may be lost with its page
    for call in captured:
        if told:
            who = events[call.id]["distinct_id"]
            assert who in call.allowed, f"{call.id} of {call.tab} is filed under {who}, not {call.allowed}"
    if {call.tab for call in world.browser.calls} <= {"w"} and told:
        assert all(id in events for id in claims(world.browser.calls)), "a claim was lost"
    return world


def claims(calls: list[Call]) -> list[str]:
    """Give the ids of the identify() calls that name a user who was not yet named, if one tab made them all."""
    now, found = None, []
    for call in calls:
        if call.name == "reset":
            now = None
        elif call.name == "identify" and call.args[0] != now:
            now = call.args[0]
            found.append(call.id)
    return found


def histories(tabs: str) -> some.SearchStrategy[list[tuple[Any, ...]]]:
    tab = some.sampled_from(tabs)
    call = some.one_of(
        some.just(("capture", "x")),
        some.sampled_from([("identify", user) for user in USERS]),
        some.just(("reset",)),
        some.just(("register", {"plan": "pro"})),
    )
    step = some.one_of(
        some.tuples(some.just("calls"), tab, some.lists(call, min_size=1, max_size=4)),
        some.tuples(some.just("up"), tab),
        some.tuples(some.just("work"), tab),
        some.tuples(some.just("hear"), tab),
        some.tuples(some.just("turn"), tab),
        some.tuples(some.just("tick"), tab),
        some.tuples(some.just("answer"), tab, some.sampled_from(["200", "200", "500", "429", "0", "lost"])),
        some.tuples(some.just("ran"), tab, some.sampled_from(["ok", "ok", "lost", "refused"])),
        some.tuples(some.just("leave"), tab, some.booleans()),
        some.tuples(some.just("dies after"), tab, some.integers(0, 6)),
        some.tuples(some.just("full"), tab, some.booleans()),
        some.tuples(some.just("wait"), tab, some.sampled_from([1000, 40000, 2000000])),
    )
    return some.lists(step, min_size=5, max_size=40)


CAPTURE, ADA, RESET = ("capture", "x"), ("identify", "ada"), ("reset",)


def test_a_log_in_run_by_the_server_is_not_run_again_without_its_log_out() -> None:
    replay(
        ("calls", "w", [ADA, RESET]),
        ("calls", "w", [CAPTURE]),
        ("dies after", "w", 3),
        ("ran", "w", "ok"),
    )


def test_calls_that_were_run_before_a_crash_do_not_claim_the_visitor_after_a_log_out() -> None:
    replay(
        ("calls", "w", [CAPTURE]),
        ("calls", "w", [CAPTURE, ADA, ADA, CAPTURE]),
        ("turn", "w"),
        ("dies after", "w", 4),
        ("turn", "w"),
        ("calls", "w", [RESET]),
        ("dies after", "w", 1),
        ("turn", "w"),
    )


def test_events_that_find_no_room_keep_identity_and_claim() -> None:
    replay(
        ("turn", "w"),
        ("calls", "w", [CAPTURE, ADA]),
        ("full", "w", True),
        ("turn", "w"),
        ("answer", "w", "0"),
        ("leave", "w", False),
    )


def test_a_log_out_that_made_no_event_is_not_forgotten_where_events_find_no_room() -> None:
    replay(("up", "w"), ("calls", "w", [CAPTURE]), ("calls", "w", [RESET, CAPTURE]), ("full", "w", True), ("turn", "w"))


def test_a_slow_answer_of_the_servers_python_does_not_undo_another_tabs_log_out() -> None:
    world = replay(
        ("calls", "w", [ADA]),
        ("ran", "w", "ok"),
        ("calls", "b", [CAPTURE]),
        ("calls", "w", [RESET]),
        ("ran", "w", "ok"),
        ("ran", "b", "ok"),
        ("calls", "w", [CAPTURE]),
    )
    assert [event["distinct_id"] for event in world.browser.events][:2] == ["ada", "ada"]
    assert world.browser.events[2]["distinct_id"] != "ada"


@settings(max_examples=400, deadline=None)
@given(histories("w"))
def test_nothing_is_lost_in_one_tab(steps: list[tuple[Any, ...]]) -> None:
    replay(*steps)


@settings(max_examples=400, deadline=None)
@given(histories("wb"))
def test_nothing_is_lost_in_two_tabs(steps: list[tuple[Any, ...]]) -> None:
    replay(*steps)
