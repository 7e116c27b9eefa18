"""A model of browsers, for tests/client/test_nothing_is_lost.py: storage, tabs, pages, and the server's store.

Page is static/beknown.js with static/worker.js in Python, same names and same order of effects. The parts that decide
are real: the worker's host with the core, and the core under ``POST /run``.

Rules:
- Time passes and messages arrive only where a step of World says so: any interleaving is a list of steps.
- A page dies at any write (``writes``); what it has written by then stays.
- Each call remembers whom it may be filed under, as far as its page can have known.
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any
from unittest import mock

from beknown import ids, retry
from beknown.hosts import worker
from beknown_server import deferred

KEY = "bk_test"
NAME = "bk_" + KEY
SEED = "01a20a91-ae05-7e94-aea9-36f6d0ff238a"
START = 1795473649157


class Died(Exception):
    """The page is gone, in the middle of what it was doing."""


class Browser:
    """What outlives pages: the clock, the cookie, localStorage (which may be full) and the way to the server."""

    def __init__(self) -> None:
        self.clock = START
        self.forbids_worker = False
        self.alive: set[str] = set()  # tabs with a page
        self.is_shared = False  # a tab took the calls of one that lives for abandoned: after half a minute unsent
        self.cookie = ""
        self.disk: dict[str, str] = {}
        self.full = False
        self.was_full = False
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
        another tab's log-in or log-out may have come before it while it is not stored yet, never one that comes later.
        """
        if call.name == "capture":
            own = [each.identity for each in self.calls if each.tab == call.tab and not each.settled]
            call.allowed = {own[-1] if own else self.who}
            if any(each.tab != call.tab for each in self.calls):
                call.allowed.add(self.who)
            call.allowed |= {each.identity for each in self.calls if each.tab != call.tab and not each.settled}
        self.calls.append(call)

    def others(self, call: Call) -> set[str]:
        """Give whom other tabs made of the visitor at any time: all that can be said where no past could be kept."""
        return {each.identity for each in self.calls if each.tab != call.tab and each.name in ("identify", "reset")}

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
        self.most = 100
        self.tries = 0
        self.heard = False
        self.is_parked = False
        self.memory = ""
        self.kept: list[str] = []  # the newest state, to be stored
        self.over: list[str] = []  # calls to be forgotten
        self.full = False  # some call's events found no room: state and removals wait until the server has everything
        self.seen = self.identity()
        if not self.seen:
            first = f"1.0.{SEED}.a..0.0.{SEED}"
            self.store(first, first + "\n{}")
        self.adopt_journal()
        self.hand_over()

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
                self.browser.is_shared |= owner != self.tab and owner in self.browser.alive
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
        most = len(self.queue) if self.worker else self.most
        calls, self.queue = self.queue[:most], self.queue[most:]
        if self.worker is None:
            self.seen = self.identity()
            self.running = calls, self.run_body(calls)
        else:
            changed = self.identity() != self.seen
            self.to_worker.append({"calls": self.texts(calls), "stored": changed and self.stored()})
            self.seen = self.identity()

    def texts(self, calls: list[str]) -> list[list[str]]:
        found = []
        for id in calls:
            text, place = self.unsent[id]
            found.append([id, (not self.full and self.browser.disk.get(place)) or text])
        return found

    def facts(self) -> dict[str, Any]:
        return {"now": self.browser.clock}

    def run_body(self, calls: list[str]) -> dict[str, Any]:
        return {
            "api_key": KEY,
            "facts": self.facts(),
            "options": {},
            "stored": self.stored(),
            "calls": self.texts(calls),
        }

    def ran(self, how: str) -> None:
        """An answer to /run: a status, of which 200 is the server's Python; or lost (it ran the calls), or 0 (none)."""
        if self.running is None:
            return
        calls, body = self.running
        effects = self.browser.run(body) if how in ("200", "lost") else []
        if how == "200":
            if self.identity() == self.seen:
                self.carry_out(effects)
            else:
                self.queue = calls + self.queue  # another tab was faster: once more, on what it stored
            self.tries, self.most, self.heard = 0, min(self.most * 2, 100), True
        else:
            self.queue = calls + self.queue
            self.runs = False
            self.most = max(self.most // 2, 1)
            self.tries += 1
            self.heard |= how not in ("lost", "0")
            self.is_parked = retry.gives_up(self.tries, self.heard)
        self.running = None
        self.hand_over()

    def again(self) -> None:
        """The time to ask the server again has come; or the browser is online again."""
        if self.tries and not self.running:
            self.runs, self.is_parked = True, False
            self.hand_over()

    def carry_out(self, effects: list[list[Any]]) -> None:
        for effect, *values in effects:
            if effect == "store":
                self.kept = values
            elif effect == "done":
                self.over += values[0]
            elif effect == "journal":
                raw, place = self.unsent[values[0]]
                self.unsent[values[0]][0] = values[1]
                self.keep(place, values[1])
                self.full |= self.browser.disk.get(place) == raw
        if not self.full or len(self.over) == len(self.unsent):
            self.full = False
            # Where localStorage is full, the cookie alone takes the state; only their removal tells which calls were
            # run, next in the same task. That a page is killed between these two is left out.
            writes = self.writes
            if self.browser.full:
                self.writes = None
            is_news = bool(self.kept) and self.identity() != self.seen
            self.seen = self.identity() if self.kept else self.seen
            revisions = [int(text.split(".")[1], 16) for text in [self.seen, *self.kept[:1]]]
            if self.kept and (is_news or revisions[1] < revisions[0]):
                if self.worker is not None:
                    self.to_worker.append({"stored": is_news and self.stored(), "again": self.texts(self.over)})
                else:
                    self.queue = self.over + self.queue
                self.over = []
            elif self.kept:
                self.store(*self.kept)
            self.kept = []
            while self.over:
                self.writing()
                _, place = self.unsent.pop(self.over.pop(0), (None, ""))
                self.browser.disk.pop(place, None)
            if self.browser.full:
                self.writes = writes

    def up(self) -> None:
        """Python is up in the worker; it waits for an answer of the server's."""
        if self.worker is not None or self.running or self.browser.forbids_worker:
            return
        self.worker = worker.Worker()
        self.seen = self.identity()
        self.adopt_journal()
        start = {"facts": self.facts(), "options": {"key": KEY}, "stored": self.stored()}
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

    def move(self) -> None:
        """What usually happens next: a request is answered, a message is taken, time passes."""
        if self.running:
            self.ran("200")
        elif self.to_page:
            self.hear()
        elif self.to_worker:
            self.work()
        elif self.request:
            self.answered("200")
        elif self.worker is None and not self.browser.forbids_worker:
            self.up()
        else:
            self.again()
            self.tick()

    def go_on(self, moves: int) -> None:
        for _ in range(moves):
            self.move()

    def answer(self, how: str) -> None:
        """The next request to /e/ is answered so, if there is one soon."""
        for _ in range(9):
            if self.request is None:
                self.move()
        self.answered(how)

    def turn(self) -> None:
        """What usually happens: Python is up, and every message is taken."""
        self.ran("200")
        self.up()
        while self.to_worker or self.to_page:
            self.work()
            self.hear()

    def tick(self) -> None:
        if self.wake is not None:
            self.browser.clock = max(self.browser.clock, int(self.wake) + 1)
            self.wake = None
            self.to_worker.append({"wake": True})

    def answered(self, how: str) -> None:
        """An answer to /e/: a status; or lost (the server has the events)."""
        if self.request is None:
            return
        if how in ("200", "lost"):
            self.browser.arrive(json.loads(self.request)["batch"])
        self.request = None
        status = 0 if how == "lost" else int(how)
        self.to_worker.append({"answer": {"status": status, "retry_after": 0, "detail": ""}})

    # The end

    def gone(self) -> None:
        """The page is no more; calls that it had no room to journal go with it."""
        for call in self.browser.calls:
            if call.tab == self.tab and not call.journalled:
                call.owed = False

    def leave(self, arrives: str) -> None:
        """pagehide: what was on its way arrives or not, and so does the beacon with what is unsent."""
        beacon = self.run_body(list(self.unsent)) if self.worker or self.running or not self.runs else None
        self.hand_over()
        if "request" in arrives and self.request:
            self.browser.arrive(json.loads(self.request)["batch"])
        if "request" in arrives and self.running:
            self.browser.run(self.running[1])
        if "beacon" in arrives and beacon:
            self.browser.run(beacon)
        self.gone()

    def settle(self) -> None:
        """Let everything happen, the server being well."""
        for _ in range(1000):
            self.ran("200")
            self.again()
            self.up()
            self.work()
            self.hear()
            self.answered("200")
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
        self.names = {"w": "w", "b": "b"}  # of the tabs; after a crash a tab has another one
        self.tabs: set[str] = set()  # all names that there were

    def page(self, tab: str) -> Page:
        if tab not in self.pages:
            self.pages[tab] = Page(self.browser, self.names[tab])
            self.tabs.add(self.names[tab])
        self.browser.alive = {page.tab for page in self.pages.values()}
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
            elif what in ("full", "forbids_worker"):
                setattr(self.browser, what, detail)
                self.browser.was_full |= self.browser.full
            elif what == "wait":
                self.browser.clock += detail
            else:
                getattr(page, what)(*([] if detail is None else [detail]))
        except Died:
            page.gone()
            del self.pages[tab]
            self.names[tab] += "'"

    def end(self) -> None:
        """A good page load in every tab: time has passed, storage takes writes, the server is well."""
        self.browser.full = False
        for page in self.pages.values():
            page.writes = None
        for tab in ("w", "b"):
            if tab in self.pages:
                self.pages.pop(tab).leave("")
        self.browser.clock += 60000
        self.page("w").settle()
