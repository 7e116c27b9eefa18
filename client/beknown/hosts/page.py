"""The core in the page's own Python, where that is the only beknown on the page: it does what stub and worker do.

    call -> journal (localStorage) -> tracker -> events -> storage -> POST /e/ -> the journal lets go

Rules:
- Journal, cookie and localStorage are those of static/beknown.js, under the same names and in the same form: visitors
  come from a page with the tag to a page with only Python and back, and either delivers what the other left.
- A call is in the journal before it returns, and leaves it when the server has its events.
- Consent is asked before every call (permission.py): what must wait does so in memory, what must not be is dropped, and
  nothing is stored or sent meanwhile.
- What another tab wrote is followed before every call; one thread runs Python, so nobody writes in between.
- The clock and the dice are read in here and in journal.py, nowhere deeper. No js: browser.py is the threshold.
"""

import json
import random

from .. import permission, persistence, wire
from ..newcomer import consented, newcomer
from ..tracker import Tracker
from .hooks import OF_THE_TAG, Hooks
from .journal import ADOPTED_AFTER, Journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .browser import Browser

    Options = dict[str, Any]

LONGEST_NAP = 1.0  # s; a browser that comes back online, or a call, must not wait for the end of a long retry


class Page:
    """One visitor on one page, with storage, delivery and the page's events."""

    def __init__(
        self,
        browser: "Browser",
        key: str,
        api: str,
        options: "Options",
        hooks: "Sequence[tuple[str, list[str], Callable[[Any], Any]]]" = (),
    ) -> None:
        self.browser = browser
        self.key = key
        self.api = api
        self.options = options
        self.name = wire.cookie_name(key)
        self.journal = Journal(browser, self.name)
        self.stopped = False
        self.hooks = Hooks(self._say)
        self._facts = browser.facts()
        self.mode = ""  # of consent, as it was acted upon
        self.tracker: "Tracker | None" = None  # only while calls may run
        self.tab = self.journal.new_id()
        self._wish: "Callable[[], None] | None" = None  # what was chosen while the page was only prerendered
        self._waiting: "list[tuple[str, str]]" = []  # (call id, journal entry) of calls that consent may let run
        self._missed = False  # a no has kept a page view from being counted: a yes on the same page counts it
        self._sending = False
        self._seen = ""  # the identity that the tracker knows to be stored
        self._counts = browser.has_page and options.get("pageviews") != "off"
        if wrong := persistence.complaint(options):
            self._say("warn", wrong)
        for hook in hooks:
            self.hook(*hook)
        self._attend()
        life = browser.lifecycle
        life.once_shown(self._attend)
        life.once_seen(self._view)
        self._here = browser.where()["url"]
        if self._counts:
            life.on_move(self._moved)
            life.listen("pageshow", self._shown)
        life.listen("pagehide", self._left)
        life.listen("online", self._online)
        if browser.has_page:  # a kernel in Node would be held
            browser.spawn(self._look_again)

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
            self._begin(id, text)

    def _begin(self, id: str, text: str) -> None:
        self.journal.add(id, text, self.tab)
        self._run(id, text)
        self._deliver()

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

    def _run(self, id: str, text: str) -> None:
        if self.tracker is None:
            return
        if self._identity() != self._seen:
            self.tracker.follow(self._stored())
        self.tracker.hooked = len(self.hooks) > 0
        self.tracker.facts["now"] = int(self.browser.now())
        self.tracker.take(id, text)
        self._carry_out()

    async def _look_again(self) -> None:
        """Adopt once more: what was too young to be another tab's past is that now."""
        await self.browser.sleep(ADOPTED_AFTER / 1000 + 1)
        if self._attend() is not None:
            self._adopt()

    def _adopt(self) -> None:
        """Run what earlier pages left."""
        for id in self.journal.adopt(self.tab):
            self._run(id, self.journal.text(id))
        self._deliver()

    # Consent, and who it is ---------------------------------------------------------------------------------------

    def opt_in(self) -> None:
        """The visitor says yes: what waited is run."""
        if self.browser.lifecycle.is_prerendered():
            self._wish = self.opt_in
            return
        if self.mode == permission.COOKIELESS:
            self._forget()
            self.mode = ""
        self.browser.area = persistence.area(self.options)
        self._store(*consented(self._stored(), self.journal.new_id()))
        self._seen = ""  # a tracker that runs already must be told
        self._attend()

    def opt_out(self) -> None:
        """The visitor says no: they are forgotten here, and nothing is sent from now on."""
        if self.browser.lifecycle.is_prerendered():
            self._wish = self.opt_out
            return
        self._forget()
        self.browser.area = persistence.area(self.options)
        self.browser.set_cookie(self.name, wire.DENIED, self.options.get("cookieDomain", ""))
        self.browser.put(self.name, wire.DENIED)
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
        mode = permission.mode(self._identity(), self._facts, self.options)
        kept = self.name + ".kept"  # the server's copy (cookie.py); an answer on its way may have set it once more
        if mode != permission.GRANTED and self.browser.cookie(kept):
            self.browser.set_cookie(kept, "", self.options.get("cookieDomain", ""))
        if mode == self.mode:
            return self.tracker
        self.mode, self.tracker = mode, None
        self.browser.area = persistence.area(self.options)
        if mode != permission.GRANTED:
            self.browser.pass_on(self.name + "~tab", "")
        if mode == permission.DENIED:
            self.journal.remove(self.journal.calls())
            self._waiting = []
        if mode == permission.COOKIELESS:
            self._forget()
            self.browser.area = ""
        if not permission.is_live(mode):
            return None
        if self.browser.area:
            self.tab = self.browser.tab(self.name + "~tab", self.tab)
        if not self._identity():
            self._store(*newcomer(self.journal.new_id()))
        facts = dict(self._facts, consent=mode, posthog=self._posthog())
        self.tracker = Tracker(self.key, facts, self._stored(), seed=self.journal.new_id(), options=self.options)
        for id in self.journal.calls():  # handed to a tracker that is no more
            self._run(id, self.journal.text(id))
        self._adopt()
        waiting, self._waiting = self._waiting, []
        for id, text in waiting:
            self._begin(id, text)
        if self._missed:
            self._missed = False
            self._view()
        return self.tracker

    def _posthog(self) -> str:
        """Give what posthog-js stored for the same key (inherited.py)."""
        name = f"ph_{self.key}_posthog"
        return self.browser.cookie(name) or self.browser.get(name)

    def _forget(self) -> None:
        """Remove what is stored of the visitor."""
        for name in list(self.browser.names()):
            if name.partition("~")[0] == self.name:
                self.browser.remove(name)
        self.browser.set_cookie(self.name, "", self.options.get("cookieDomain", ""))

    # Storage ------------------------------------------------------------------------------------------------------

    def _identity(self) -> str:
        return self.browser.cookie(self.name) or self.browser.get(self.name).partition("\n")[0]

    def _stored(self) -> "list[str]":
        self._seen = self._identity()
        return [self.browser.cookie(self.name), self.browser.get(self.name)]

    def _store(self, cookie: str, local: str) -> None:
        self.browser.put(self.name, local)  # first: it has everything in one piece
        if self.mode != permission.COOKIELESS and persistence.in_cookie(self.options):
            self.browser.set_cookie(self.name, cookie, self.options.get("cookieDomain", ""))
        self._seen = self._identity()

    def _say(self, level: str, text: str) -> None:
        for tags, ours in OF_THE_TAG:
            text = text.replace(tags, ours)
        self.browser.say(level, text)
        if level == "error":
            self.hooks.heard("error", text)

    def _carry_out(self) -> None:
        """Do what the tracker asks for (its effects are listed there), in its order."""
        tracker, edited = self.tracker, False
        for effect in tracker.effects() if tracker else []:
            what = effect[0]
            if what == "store":
                self._store(effect[1], effect[2])
            elif what in ("journal", "edit"):
                text = self.hooks.edited(effect[2]) if what == "edit" else effect[2]
                self.journal.rewrite(effect[1], text)
                if what == "edit" and tracker:
                    tracker.take(effect[1], text)
                    edited = True
            elif what == "tell":
                self.hooks.heard(effect[1], effect[2])
            elif what == "done":
                self.journal.remove(effect[1])
            elif what == "say":
                self._say(effect[1], effect[2])
            elif what == "stopped":
                self.stopped = True
        if edited:
            self._carry_out()

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
                    self._carry_out()
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
            calls = self.journal.calls()
            while calls and not self.browser.beacon(self.api + "/run", self._visit(calls, tracker)):
                calls = calls[: len(calls) // 2]  # the oldest go; the journal keeps the rest for the next page

    def _visit(self, calls: "list[str]", tracker: Tracker) -> str:
        """Give the body of ``POST /run`` for these calls."""
        body = {
            "api_key": self.key,
            "facts": tracker.facts,
            "options": self.options,
            "stored": self._stored(),
            "calls": [[id, self.journal.text(id)] for id in calls],
            "sent_at": int(self.browser.now()),
        }
        return json.dumps(body)

    def _online(self, event: "Any" = None) -> None:
        self.stopped = False
        if self.tracker is not None:
            self.tracker.retry_now()
        self._deliver()
