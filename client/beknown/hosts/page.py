"""The core in the page's own Python, where that is the only beknown on the page: it does what stub and worker do.

    call -> journal (localStorage) -> tracker -> events -> storage -> POST /e/ -> the journal lets go

Rules:
- Journal, cookie and localStorage are those of static/beknown.js, under the same names and in the same form: visitors
  come from a page with the tag to a page with only Python and back, and either delivers what the other left.
- A call is in the journal before it returns, and leaves it when the server has its events.
- Consent is asked before every call (permission.py): what must wait does so in memory, what must not be is dropped, and
  nothing is stored or sent meanwhile.
- What another tab wrote is followed before every call; one thread runs Python, so nobody writes in between.
- A call that a function of the page's makes while another's effects are carried out is journalled at once, and waits
  for its turn (turns.py).
- The clock and the dice are read in here and in journal.py, nowhere deeper. No js: browser.py is the threshold.
"""

import json
import random

from .. import permission, wire
from ..newcomer import consented, newcomer
from ..tracker import Tracker
from . import farewell, settings
from .hooks import OF_THE_TAG, Hooks
from .journal import ADOPTED_AFTER, Journal
from .store import Store
from .turns import Turns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .browser import Browser
    from .hooks import Hook

    Options = dict[str, Any]

LONGEST_NAP = 1.0  # s; a browser that comes back online, or a call, must not wait for the end of a long retry


class Page:
    """One visitor on one page, with storage, delivery and the page's events."""

    def __init__(self, browser: "Browser", key: str, api: str, options: "Options") -> None:
        self.browser = browser
        self.key = key
        self.api = api
        self.options = options
        self.name = wire.cookie_name(key)
        self.journal = Journal(browser, self.name)
        self.store = Store(browser, key, options)
        self.stopped = False
        self.hooks = Hooks(self._say)
        self._facts = browser.facts()
        self.mode = ""  # of consent, as it was acted upon
        self.tracker: "Tracker | None" = None  # only while calls may run
        self.tab = self.journal.new_id()
        self._wish: "Callable[[], None] | None" = None  # a choice that waits: till the page is shown, or a call is over
        self._waiting: "list[tuple[str, str]]" = []  # (call id, journal entry) of calls that consent may let run
        self._turns = Turns(browser, self._run, self._settle)  # of journalled calls
        self._missed = False  # a no has kept a page view from being counted: a yes on the same page counts it
        self._sending = False
        self._counts = browser.has_page and options.get("pageviews") != "off"

    def begin(self, hooks: "Sequence[Hook]" = ()) -> None:
        """Take up what earlier pages left, and listen to the page; its functions may call from now on."""
        for wrong in settings.complaints(self.options):
            self._say("warn", wrong)
        for hook in hooks:
            self.hook(*hook)
        self._attend()
        life = self.browser.lifecycle
        life.once_shown(self._attend)
        life.once_seen(self._view)
        self._here = self.browser.where()["url"]
        if self._counts:
            life.on_move(self._moved)
            life.listen("pageshow", self._shown)
        life.listen("pagehide", self._left)
        life.listen("online", self._online)
        if self.browser.has_page:  # a kernel in Node would be held
            self.browser.spawn(self._look_again)

    # Calls --------------------------------------------------------------------------------------------------------

    def take(self, name: str, args: "list[Any]") -> None:
        """Journal a call and run it, as far as consent goes."""
        self._attend()
        verdict = permission.verdict(self.mode, name)
        if verdict == permission.DROP:
            self._missed = self._missed or name == "pageview"
            return
        now = self.browser.now()
        entry = {"call": name, "args": args, "at": int(now), "window": self.tab}
        entry.update(self.browser.where())
        id, text = self.journal.new_id(), json.dumps(entry)
        if verdict == permission.WAIT:
            self._waiting.append((id, text))
        else:
            self.journal.add(id, text, self.tab)
            self._turns.add([id])

    def _view(self) -> None:
        if self._counts:
            self.take("pageview", [])

    def _moved(self, how: str) -> None:
        """The visitor, or a script, has gone to another address of the same document."""
        before, self._here = self._here, self.browser.where()["url"]
        if self._here != before:
            self.take("pageview", [how, before])

    def _shown(self, event: "Any") -> None:
        if event.persisted:  # back from the browser's cache of pages that were left
            self.browser.pass_on(self.name + "~tab", self.tab, "")
            self._view()

    def _run(self, id: str) -> None:
        tracker = self.tracker
        if tracker is None:
            return
        if self.store.has_news():
            tracker.follow(self.store.texts())
        tracker.hooked = len(self.hooks) > 0
        tracker.facts["now"] = int(self.browser.now())
        tracker.take(id, self.journal.text(id))
        self._carry_out(tracker)

    def _settle(self) -> None:
        if self._wish:
            self._attend()
        self._deliver()

    async def _look_again(self) -> None:
        """Adopt once more: what was too young to be another tab's past is that now."""
        await self.browser.sleep(ADOPTED_AFTER / 1000 + 1)
        if self._attend() is not None:
            self._turns.add(self.journal.adopt(self.tab))

    # Consent, and who it is ---------------------------------------------------------------------------------------

    def opt_in(self) -> None:
        """The visitor says yes: what waited is run."""
        if self.browser.lifecycle.is_prerendered() or (self._turns.is_busy and self.mode == permission.GRANTED):
            self._wish = self.opt_in
            return
        if self.mode == permission.COOKIELESS:
            self.store.forget()
            self.mode = ""
        self.store.open()
        self.store.write(*consented(self.store.texts(), self.journal.new_id()), is_known=False)
        self._attend()

    def opt_out(self) -> None:
        """The visitor says no: they are forgotten here, and nothing is sent from now on."""
        if self.browser.lifecycle.is_prerendered():
            self._wish = self.opt_out
            return
        self._wish = None
        self.store.deny()
        self._attend()

    def consent(self) -> str:
        """Give what holds now."""
        self._attend()
        return self.mode or permission.PENDING

    def identity(self) -> "dict[str, Any]":
        """Give ``distinct_id device session`` and more as the cookie has them; empty while nobody may be known."""
        if self.tracker is None or self.mode != permission.GRANTED:
            return {"distinct_id": "", "device": "", "session": ""}
        return wire.unpack_cookie(self.tracker.state.cookie())

    def hook(self, method: str, names: "list[str]", function: "Callable[[Any], Any]") -> None:
        """Take a function of the page's: before_send(function), on(name, function)."""
        if method == "on":
            self.hooks.tell(names[0], function)
        else:
            self.hooks.edit_with(function)

    def _attend(self) -> "Tracker | None":
        """Act upon a choice, also one made in another tab or on another subdomain; give the tracker where calls run."""
        if self.browser.lifecycle.is_prerendered():
            return None  # nobody may ever see it: as long as that, nothing is stored or sent
        if self._wish:
            wish, self._wish = self._wish, None
            wish()
        mode = permission.mode(self.store.choice(), self._facts, self.options)
        if mode != permission.GRANTED:
            self.store.forget_copy()
        if mode != self.mode:
            self._act(mode)
        return self.tracker

    def _act(self, mode: str) -> None:
        """Begin anew as consent goes now."""
        self.mode, self.tracker, self._turns.ids = mode, None, []
        self.store.open()
        if mode != permission.GRANTED:
            self.browser.pass_on(self.name + "~tab", "")
        if mode == permission.DENIED:
            self.journal.remove(self.journal.calls())
            self._waiting = []
            if self.store.choice() == wire.DENIED:
                self.store.deny()  # here, on another subdomain, or to posthog-js: nor do other tabs' journals stay
        if mode == permission.COOKIELESS:
            self.store.close()
        if not permission.is_live(mode):
            return
        if self.browser.area:
            has_calls = bool(self._waiting or self.journal.calls())  # with an id, which stays theirs
            self.tab = self.browser.tab(self.name + "~tab", self.tab, is_used=has_calls)
        if not self.store.identity():
            self.store.write(*newcomer(self.journal.new_id()))
        facts = dict(self._facts, consent=mode, posthog=self.store.posthog())
        self.tracker = Tracker(self.key, facts, self.store.texts(), seed=self.journal.new_id(), options=self.options)
        self.journal.adopt(self.tab)
        for id, text in self._waiting:
            self.journal.add(id, text, self.tab)
        self._waiting = []
        self._turns.add(self.journal.calls())  # also those that a tracker was handed that is no more
        if self._missed:
            self._missed = False
            self._view()

    def _say(self, level: str, text: str) -> None:
        for tags, ours in OF_THE_TAG:
            text = text.replace(tags, ours)
        self.browser.say(level, text)
        if level == "error":
            self.hooks.heard("error", text)

    def _carry_out(self, tracker: Tracker) -> None:
        """Do what the tracker asks for (its effects are listed there), in its order."""
        self._turns.carry_out(lambda: self._has_carried_out(tracker))

    def _has_carried_out(self, tracker: Tracker) -> bool:
        """Do what the tracker asks for now; tell whether that is all: of edited events, handed to it, more follows."""
        edited = False
        for effect in tracker.effects():
            what, about = effect[0], effect[1:]
            if self.tracker is not tracker:
                break  # a function of the page's has called opt_out(), or opt_in(): what was asked for is void
            if what == "store":
                self.store.write(*about)
            elif what == "journal":
                self.journal.rewrite(*about)
            elif what == "edit":
                text = self.hooks.edited(about[1])
                if edited := self.tracker is tracker:
                    self.journal.rewrite(about[0], text)
                    tracker.take(about[0], text)
            elif what == "tell":
                self.hooks.heard(*about)
            elif what == "done":
                self.journal.remove(*about)
            elif what == "say":
                self._say(*about)
            elif what == "stopped":
                self.stopped = True
        return not edited or self.tracker is not tracker

    # Delivery -----------------------------------------------------------------------------------------------------

    def _deliver(self) -> None:
        if not self._sending and self.tracker is not None and self.tracker.wake_at() is not None:
            self._sending = True
            self.browser.spawn(self._send)

    async def _send(self) -> None:
        """Send what waits, one request at a time, until nothing does."""
        try:
            while (tracker := self._attend()) is not None and (wake := tracker.wake_at()) is not None:
                now = self.browser.now()
                body = tracker.request(now)
                if body is None:
                    await self.browser.sleep(min((wake - now) / 1000, LONGEST_NAP))
                    continue
                answer = await self.browser.post(self.api + "/e/", body)
                tracker.answered(
                    answer["status"],
                    self.browser.now(),
                    chance=random.random(),
                    retry_after=answer["retry_after"],
                    detail=answer["detail"],
                )
                if self._attend() is tracker:  # consent may have changed meanwhile
                    self._carry_out(tracker)
                    self._turns.add([])
        finally:
            self._sending = False

    async def ready(self) -> None:
        """Nothing to wait for: Python is up."""

    async def flush(self) -> None:
        """Wait until everything so far is delivered or has failed for good."""
        while self.journal.calls() and self.tracker is not None and not self.stopped:
            await self.browser.sleep(0.05)

    def _left(self, event: "Any" = None) -> None:
        """The page is being left: what the server does not have yet goes by a request that outlives the page."""
        if self._counts:
            self.take("pageleave", [])
        tracker = self._attend()
        if tracker is not None:
            self.browser.pass_on(self.name + "~tab", self.tab)
            if self.store.has_news():  # of another tab; what it has read is all that it may say it knows
                tracker.follow(self.store.texts())
            visit = {
                "api_key": self.key,
                "facts": dict(tracker.facts, hooked=len(self.hooks) > 0),
                "options": self.options,
                "stored": self.store.texts(),
                "sent_at": int(self.browser.now()),
            }
            calls = [[id, self.journal.text(id)] for id in self.journal.calls()]
            farewell.send(visit, calls, lambda body: self.browser.beacon(self.api + "/run", body))

    def _online(self, event: "Any" = None) -> None:
        self.stopped = False
        if self.tracker is not None:
            self.tracker.retry_now()
        self._deliver()
