"""The tracker: takes the page's calls one by one, and answers with effects for the host to carry out.

    take(call) -> identity and session move on -> events wait in the outbox -> request() -> answered()

The effects, each a list with its name first:

    ["journal", call id, text]    write this text over the call's journal entry: its events, ready to send
    ["edit", call id, text]       the same, but the page's before_send() functions see them first: what they leave is
                                  written there and handed to ``take`` again, and only then on its way
    ["store", cookie, local]      keep these two texts
    ["done", [call ids]]          remove these journal entries: the server has them, or there is nothing to send
    ["stopped"]                   nothing more will be sent from this page (wrong key, no server): flush() is over
    ["say", level, text]          tell the page's author, in the console: an error, a warn(ing), or info
    ["tell", what, detail]        tell the page's on() functions: "identify", "reset" (detail: the distinct id now),
                                  "session" (its id)

``edit`` and ``tell`` are only there while ``hooked``: while the page has such functions. Where they only hear of events
(``hooked`` is ON), these need no edit: they are told of as "capture", and leave at once, also by a page's farewell.

Rules:
- Pure: ``now`` and ``chance`` are arguments, effects and the time to wake up are answers.
- A call's outcome depends on the stored state and its journal entry alone: it is filed under whom the visitor was when
  it was made (past.py), also where it is run later. Whoever runs it again (the next page, another tab, the server)
  makes the same events with the same ids; the server keeps one.
- Effects come in this order, so that a crash between any two of them loses nothing and repeats nothing: events are
  journalled before the state that follows from them is stored; the state is stored before a call that made no
  events is forgotten, and names it: found again, it is not run again. Calls are forgotten oldest first.
- An author who asks (``data-debug``) is told of each step, as info: ``call``, ``event`` or ``no event``, ``visitor``,
  ``sent`` and ``answer`` are the first words of the lines. Nobody else pays for that.
- One wall: no error of ours leaves ``take``. A call that cannot be done is explained in the console.
"""

import json

from . import calls, event, outbox, past, permission, retry, state, values, wire
from .errors import BadCall, BadState
from .filter import ignores
from .inherited import inherited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .identity import Identity

    Entry = dict[str, Any]
    Effect = list[Any]

ON = "on"  # hooked: by on() functions alone
LINGER = 500  # ms between two requests: the first event leaves at once, what follows travels together


class Tracker:
    """One visitor on one page.

    ``facts`` are the host's: agent, brands (a text that has them), language, timezone, offset, screen, viewport,
    driven (by a program), now (ms; the host keeps it right), consent (the mode; granted if it is missing), gpc, hooked,
    posthog (inherited.py), heard (the server has answered this page).
    ``options`` are the tag's data- attributes as texts. ``seed`` is the id of a visitor who is in no store yet.
    """

    def __init__(
        self,
        key: str,
        facts: "dict[str, Any]",
        stored: "list[str]",
        *,
        seed: str,
        options: "dict[str, Any] | None" = None,
    ) -> None:
        self.key = key
        self.facts = facts
        self.options = options or {}
        self.hooked: "Any" = facts.get("hooked")
        self._mode = facts.get("consent") or permission.GRANTED
        self._deaf = ignores(facts, self.options)
        self.state = state.fresh(seed)
        self.outbox = outbox.Outbox(batch=wire.MAX_BATCH_EVENTS, size=wire.MAX_BATCH_BYTES, linger=LINGER)
        self._effects: "list[Effect]" = []
        self._done: "list[str]" = []
        self._written = ""  # what the host's store holds, as far as we know
        self._heard = bool(facts.get("heard"))
        self._stopped = False
        self._explains = self.options.get("debug", "false") != "false"
        self._named = ""  # the visitor as the author was told last
        self.follow(stored)
        # Nobody has been here: neither known, nor logged out, nor one who said no.
        is_new = not self.state.session.id and self.state.revision <= 0
        found = inherited(facts.get("posthog"), seed) if is_new else None
        if found and self._mode == permission.GRANTED:
            self.state.become(found)

    # The page's calls ---------------------------------------------------------------------------------------

    def take(self, call: str, text: str) -> None:
        """Run one journal entry: a call of this page, or what an earlier page left behind. Never raises."""
        if call in self.state.ran:
            self._done.append(call)
            return
        try:
            entry = values.parsed(text)
            if "events" in entry:
                self._take_over(call, entry)
                return
            events = self._run(call, entry)
        except BadCall as refusal:
            self._say("error", str(refusal))
            events = []
        except Exception as surprise:  # the wall: whatever happens in here, the page goes on
            self._say("error", f"a call could not be understood and was dropped: {surprise!r}")
            events = []
        self._note_visitor()
        self._keep(call, events)

    def _run(self, id: str, entry: "Entry") -> "list[dict[str, Any]]":
        self._note("call", entry["call"], entry["args"])
        name = calls.ALIASES.get(entry["call"], entry["call"])
        if name not in calls.CALLS:
            raise BadCall(f"there is no call named {name!r}; ignored.")
        run, most = calls.CALLS[name]
        if self._deaf:
            self._note('this browser is a bot, or driven by a program: data-bots="count" counts it')
            return []
        permission.check(self._mode, name)
        before, session = self.state.identity, self.state.session.id
        self.state.touch(entry["at"], id)
        call = calls.Call(id, entry, self.state, self.facts, self.options)
        if call.kept is self.state:
            page = event.page_properties(entry)
            self.state.first = self.state.first or event.first_touch(page)
            self.state.entry = event.source(self.state.entry or event.session_entry(page), page)
        events = run(call, *entry["args"][:most])
        if events == [{}]:
            events = calls.runaway(call)
        for level, text in call.said:
            self._say(level, text)
        if self.hooked:
            self._tell(before, session)
        return events

    def _tell(self, before: "Identity", session: str) -> None:
        """Say what a call has changed of who the visitor is."""
        now = self.state.identity
        if now is not before:
            self._effects.append(["tell", "identify" if now.identified else "reset", now.distinct_id])
        if self.state.session.id not in ("", session):
            self._effects.append(["tell", "session", self.state.session.id])

    def _take_over(self, call: str, entry: "Entry") -> None:
        """Queue what an earlier page had made of a call, and the state it had not lived to store."""
        was_stored = wire.unpack_cookie(entry["stored"])["active"] <= self.state.session.active
        self.state.resume(entry["stored"], past.whole(entry.get("past")))
        self._note_visitor()
        for each in entry["events"]:
            tab = self.state.tab(entry.get("window", ""))
            tab[1] = max(tab[1], each["properties"].get("$sequence", 0))
            if not was_stored:
                self._rejoin(each["event"], each["distinct_id"], each["properties"])
        if not entry["events"]:
            self._note("no event: before_send() dropped it")
            self._done.append(call)
            return
        self._queue(call, entry["events"], [json.dumps(each) for each in entry["events"]])

    def _rejoin(self, name: str, distinct_id: str, properties: "dict[str, Any]") -> None:
        """Let the visitor act for a group whose event was journalled, and no more; the page may have edited it."""
        kind, key = properties.get("$group_type"), properties.get("$group_key")
        is_ours = name == "$groupidentify" and distinct_id == self.state.identity.distinct_id
        if is_ours and isinstance(kind, str) and isinstance(key, str):
            self.state.groups[kind] = key

    def _keep(self, call: str, events: "list[dict[str, Any]]") -> None:
        if not events:
            self._note("no event")
            self._done.append(call)
            return
        texts = [json.dumps(each) for each in events]
        window = self.state.tabs[-1][0]  # the one in use
        after = json.dumps({"stored": self.state.cookie(), "past": past.until(self.state.past, call), "window": window})
        journalled = f'{{"events": [{",".join(texts)}], {after[1:]}'
        if self.hooked and self.hooked != ON:
            self._effects.append(["edit", call, journalled])
            return
        self._effects.append(["journal", call, journalled])
        if self.hooked:
            self._effects += [["tell", "capture", each] for each in events]
        self._queue(call, events, texts)

    def _queue(self, call: str, events: "list[dict[str, Any]]", texts: "list[str]") -> None:
        for each in events:
            self._note("event", each["event"], each)
        gone = self.outbox.add(call, texts)
        if gone:
            self._note("dropped, because too many wait:", gone)
        self._done += gone

    # Delivery -----------------------------------------------------------------------------------------------

    def request(self, now: float) -> "str | None":
        """Give the body of the request to send now, or None; then ``answered`` must follow, or nothing more goes."""
        head = [] if self._stopped else self.outbox.request(now)
        if not head:
            return None
        events = [text for _, texts in head for text in texts]
        self._note("sent", len(events), "events")
        return wire.body(self.key, events, wire.iso(now))

    def answered(self, status: int, now: float, *, chance: float, retry_after: float = 0, detail: str = "") -> None:
        """Take the answer to the last request: HTTP status (0: none came), Retry-After in ms, the server's words."""
        self._heard = self._heard or status != 0
        what, gone = self.outbox.answered(status, now, chance=chance, retry_after=retry_after)
        self._note("answer", status or "none", what, detail)
        self._done += gone
        if what == retry.STOP:
            self._stop()
            self._say("error", advice(status, detail))
        elif what == retry.WAIT and retry.gives_up(self.outbox.tries, self._heard):
            self._stop()
        elif what == retry.DROP:
            self._say("error", f"the server refused {len(gone)} calls and they were dropped: {detail or status}")

    def wake_at(self) -> "float | None":
        """Give the time (ms) at which ``request`` has something to send, or None if nothing waits for a time."""
        return None if self._stopped else self.outbox.wake_at()

    def retry_now(self) -> None:
        """Try again at once: the browser came back online."""
        self._stopped, self.outbox.tries = False, 0
        self.outbox.hurry()

    # Between core and host ----------------------------------------------------------------------------------

    def follow(self, stored: "list[str]") -> None:
        """Take over what another tab or page stored: [cookie, local], either possibly empty."""
        for text, read in zip(stored, (self.state.follow, self.state.follow_local)):
            try:
                if text:
                    read(text)
            except BadState as damage:
                self._say("warn", str(damage))
        self._written = "".join(stored)
        self._note_visitor()

    def again(self, call: str, text: str) -> None:
        """Run a call once more whose state was not stored, for another tab was faster; what the server has is over."""
        if text.startswith('{"events"'):
            self._done.append(call)
        else:
            self.take(call, text)

    def effects(self) -> "list[Effect]":
        """Give what the host must do now, in this order, and forget it."""
        found, self._effects = self._effects, []
        cookie, local = self.state.cookie(), self.state.local()
        done, self._done = sorted(self._done), []
        if cookie + local != self._written:
            # Not these alone: what another tab named still lies in the journal if it died before it could remove it.
            self.state.ran = sorted(set(done + self.state.ran))[-max(len(done), state.MAX_RAN) :]
            local = self.state.local()
            self._written = cookie + local
            found.append(["store", cookie, local])
        if done:
            found.append(["done", done])
        return found

    def _stop(self) -> None:
        self._stopped = True
        self._effects.append(["stopped"])

    def _say(self, level: str, text: str) -> None:
        self._effects.append(["say", level, text])

    def _note(self, *parts: "Any") -> None:
        """Say what was done to an author who asks for it; what is no text, as JSON."""
        if self._explains:
            self._say("info", " ".join([part if isinstance(part, str) else json.dumps(part) for part in parts if part]))

    def _note_visitor(self) -> None:
        now = self.state.identity
        if self._mode == permission.GRANTED and now.distinct_id != self._named:
            self._named = now.distinct_id
            self._note("visitor", now.distinct_id, "identified" if now.identified else "anonymous", "on", now.device)


def advice(status: int, detail: str) -> str:
    """Tell the page's author which attribute of the tag to mend."""
    said = f" The server says: {detail}" if detail else ""
    if 400 < status < 404:
        return f"the collector refused this site's key ({status}). Mend data-key in the beknown tag.{said}"
    return f"the collector is not at this address ({status}). Mend data-api, or where beknown.js comes from.{said}"
