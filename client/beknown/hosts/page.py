"""The core in the page's own Python, where that is the only beknown on the page: it does what stub and worker do.

    call -> journal (localStorage) -> tracker -> events -> storage -> POST /e/ -> the journal lets go

Rules:
- Journal, cookie and localStorage are those of static/beknown.js, under the same names and in the same form: visitors
  come from a page with the tag to a page with only Python and back, and either delivers what the other left.
- A call is in the journal before it returns, and leaves it when the server has its events.
- What another tab wrote is followed before every call; one thread runs Python, so nobody writes in between.
- The clock and the dice are read here and nowhere deeper. No js here: browser.py is the threshold.
"""

import json
import random

from .. import ids, wire
from ..tracker import Tracker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .browser import Browser

    Options = dict[str, Any]

ADOPTED_AFTER = 30000  # ms; what another tab left is taken over when it is too old to be on its way, as the stub does
LONGEST_NAP = 1.0  # s; a browser that comes back online, or a call, must not wait for the end of a long retry


class Page:
    """One visitor on one page, with storage, delivery and the page's events."""

    def __init__(self, browser: "Browser", key: str, api: str, options: "Options") -> None:
        self.browser = browser
        self.key = key
        self.api = api
        self.options = options
        self.name = wire.cookie_name(key)
        self.unsent: "dict[str, tuple[str, str]]" = {}  # call id -> (journal entry, where it lies)
        self.stopped = False
        self._last = 0.0
        self._count = 0
        self._sending = False
        self.tab = browser.tab(self.name + "~tab", self._id())
        if not self._identity():
            seed = self._id()
            first = f"1.0.{seed}.a..0.0.{seed}"  # wire.pack_cookie of a visitor never seen before
            self._store(first, first + "\n{}")
        self._seen = self._identity()
        self.tracker = Tracker(key, browser.facts(), self._stored(), seed=self._id(), options=options)
        self._adopt()
        self._counts = browser.has_page and options.get("pageviews") != "off"
        if self._counts:
            self.take("pageview", [])
        browser.listen("pagehide", self._left)
        browser.listen("online", self._online)

    # Calls --------------------------------------------------------------------------------------------------------

    def take(self, name: str, args: "list[Any]") -> None:
        """Journal a call and run it."""
        now = self.browser.now()
        entry = {"call": name, "args": args, "at": int(now), "window": self.tab}
        entry.update(self.browser.where())
        id, text = self._id(), json.dumps(entry)
        place = f"{self.name}~{id}~{self.tab}"
        self.unsent[id] = (text, place)
        self.browser.put(place, text)
        self._run(id, text)
        self._deliver()

    def _run(self, id: str, text: str) -> None:
        if self._identity() != self._seen:
            self.tracker.follow(self._stored())
        self.tracker.take(id, text)
        self._carry_out()

    def _adopt(self) -> None:
        """Take over what earlier pages left: this tab's at once, another tab's when it is old enough."""
        for place in sorted(self.browser.names()):
            prefix, _, rest = place.partition("~")
            id, _, owner = rest.partition("~")
            if prefix != self.name or not ids.is_uuid(id) or id in self.unsent:
                continue
            if owner == self.tab or self.browser.now() - ids.time_of(id) > ADOPTED_AFTER:
                text = self.browser.get(place)
                self.unsent[id] = (text, place)
                self._run(id, text)
        self._deliver()

    def _id(self) -> str:
        """Give a UUIDv7 whose 12 bits after the time count the calls of one ms, so that ids sort in call order."""
        now = max(self.browser.now() // 1, self._last)
        self._count = self._count + 1 if now == self._last else 0
        self._last = now
        dice = [random.getrandbits(8) for _ in range(ids.RANDOM_BYTES)]
        dice[0], dice[1] = self._count >> 4 & 255, (self._count & 15) << 4
        return ids.uuid7(now, bytes(dice))

    # Storage ------------------------------------------------------------------------------------------------------

    def _identity(self) -> str:
        return self.browser.cookie(self.name) or self.browser.get(self.name).partition("\n")[0]

    def _stored(self) -> "list[str]":
        self._seen = self._identity()
        return [self.browser.cookie(self.name), self.browser.get(self.name)]

    def _store(self, cookie: str, local: str) -> None:
        self.browser.set_cookie(self.name, cookie, self.options.get("cookieDomain", ""))
        self.browser.put(self.name, local)
        self._seen = self._identity()

    def _carry_out(self) -> None:
        """Do what the tracker asks for (its effects are listed there), in its order."""
        for effect in self.tracker.effects():
            what = effect[0]
            if what == "store":
                self._store(effect[1], effect[2])
            elif what == "journal":
                place = self.unsent[effect[1]][1]
                self.unsent[effect[1]] = (effect[2], place)
                self.browser.put(place, effect[2])
            elif what == "done":
                for id in effect[1]:
                    self.browser.remove(self.unsent.pop(id)[1])
            elif what == "say":
                self.browser.say(effect[1], effect[2])
            elif what == "stopped":
                self.stopped = True

    # Delivery -----------------------------------------------------------------------------------------------------

    def _deliver(self) -> None:
        if not self._sending and self.tracker.wake_at() is not None:
            self._sending = True
            self.browser.spawn(self._send)

    async def _send(self) -> None:
        """Send what waits, one request at a time, until nothing does."""
        try:
            while (wake := self.tracker.wake_at()) is not None:
                now = self.browser.now()
                body = self.tracker.request(now)
                if body is None:
                    await self.browser.sleep(min((wake - now) / 1000, LONGEST_NAP))
                    continue
                answer = await self.browser.post(self.api + "/e/", body)
                self.tracker.answered(
                    answer["status"],
                    self.browser.now(),
                    chance=random.random(),
                    retry_after=answer["retry_after"],
                    detail=answer["detail"],
                )
                self._carry_out()
        finally:
            self._sending = False

    async def ready(self) -> None:
        """Nothing to wait for: Python is up."""

    async def flush(self) -> None:
        """Wait until everything so far is delivered or has failed for good."""
        while self.unsent and not self.stopped:
            await self.browser.sleep(0.05)

    def _left(self, event: "Any" = None) -> None:
        """The page is being left: what the server does not have yet goes by a request that outlives the page."""
        if self._counts:
            self.take("pageleave", [])
        if self.unsent:
            body = {
                "api_key": self.key,
                "facts": self.tracker.facts,
                "options": self.options,
                "stored": self._stored(),
                "calls": [[id, self.unsent[id][0]] for id in sorted(self.unsent)],
                "sent_at": int(self.browser.now()),
            }
            self.browser.beacon(self.api + "/run", json.dumps(body))

    def _online(self, event: "Any" = None) -> None:
        self.stopped = False
        self.tracker.retry_now()
        self._deliver()

    # Who it is ----------------------------------------------------------------------------------------------------

    def identity(self) -> "dict[str, Any]":
        """Give the cookie's fields: ``distinct_id device session`` and more."""
        return wire.unpack_cookie(self.tracker.state.cookie())
