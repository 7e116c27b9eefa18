"""What is kept between pages: identity and session (in the cookie), everything else (in localStorage).

    cookie   wire.pack_cookie(...)             small, of fixed size, read by the site's own servers
    local    the cookie's text, a line break, and JSON of everything in KEPT

Rules:
- Pure: this file makes and reads texts; the host puts them where they belong.
- Of two copies the one with the higher revision is newer, unless the other was in use since; in a tie the cookie wins,
  because it alone is shared with the site's other subdomains. The revision grows with every change of identity and
  every new session.
- localStorage's first line repeats the cookie, so that either store alone is enough, and so that what it keeps of one
  visitor or session is never another's: a cookie may tell of a log-out that another subdomain has seen.
- Damaged text is BadState, never a crash; the caller starts afresh with what is whole.
"""

import json

from . import past, values, wire
from .errors import BadState
from .identity import Identity, is_claim
from .session import Session, touched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


# What localStorage keeps beside the cookie's text
KEPT: "dict[str, type]" = {
    "registered": dict,
    "of_session": dict,
    "groups": dict,
    "first": dict,
    "sent": str,
    "proof": str,
    "entry": dict,
    "tabs": list,
    "bucket": list,
    "ran": list,
    "past": list,
}
MAX_TABS = 32  # tabs that are remembered, open and closed ones together: those used last
MAX_RAN = 20  # calls remembered as run; more if one store forgets more


class State:
    """Identity, session and the visitor's own properties, with the revision that orders copies."""

    def __init__(self, identity: Identity, session: Session, revision: int = 0) -> None:
        self.identity = identity
        self.session = session
        self.revision = revision
        self.asked = False  # the visitor has said yes to being known (permission.py); reset() does not change that
        self.registered: "dict[str, Any]" = {}  # register(): rides on every event until reset()
        self.of_session: "dict[str, Any]" = {}  # register_for_session(): until the session ends
        self.groups: "dict[str, str]" = {}  # group(): type -> key
        self.first: "dict[str, Any]" = {}  # first touch: becomes $initial_* of the person
        self.entry: "dict[str, Any]" = {}  # where this session came from, which rides on its events (event.py)
        self.tabs: "list[list[Any]]" = []  # see tab(); the one used last at the end
        self.bucket: "list[float]" = []  # guard.py's; empty until the first event
        self.ran: "list[str]" = []  # calls forgotten after this state was stored: found again, they are not run again
        self.past: "past.Past" = []  # who the visitor was (past.py); empty as long as they were nobody else
        self.sent = ""  # fingerprint of the person properties sent last, so that repeats stay silent
        self.proof = ""  # fingerprint of the signature that the user's claim was said with last

    def become(self, identity: Identity) -> None:
        """Take over a new identity: a new revision."""
        self.identity = identity
        self.revision += 1

    def changed(self, call: str, identity: Identity, is_late: bool) -> bool:
        """Take note of whom a call made of the visitor; tell whether that is who they are now."""
        known = self.past or [past.entry("", self.identity)]
        at = call if is_late else max(call, known[-1][0])  # a clock that was set back: it still is the newest
        self.past = past.joined(known, [past.entry(at, identity)])
        if is_late:
            return False
        self.become(identity)
        return True

    def forget_user(self, keep: "list[str]") -> None:
        """Forget what was the last user's; registered properties named in ``keep`` stay, and the session ends."""
        self.session = Session("", 0, 0)
        self.registered = {name: self.registered[name] for name in keep if name in self.registered}
        self.of_session, self.groups, self.first, self.sent, self.proof, self.entry = {}, {}, {}, "", "", {}

    def touch(self, at: float, call: str) -> "Session":
        """Give the session of a call at ``at`` (ms), begun anew if the last one is over."""
        before = self.session.id
        self.session = touched(self.session, at, call)
        if self.session.id != before:
            self.revision += 1
            self.of_session, self.entry = {}, {}
        return self.session

    def tab(self, name: str) -> "list[Any]":
        """Give what is known of a tab in use: [its id, events made so far, [id, path, ms] of the view it shows].

        Gaps in the events' numbers are losses, so none is given twice. It may show nothing: None.
        """
        found = [each for each in self.tabs if each[0] == name] or [[name, 0, None]]
        self.tabs = [each for each in self.tabs if each[0] != name][1 - MAX_TABS :] + found
        return found[0]

    def cookie(self) -> str:
        """Give the text for the cookie."""
        return wire.pack_cookie(
            {
                "asked": self.asked,
                "revision": self.revision,
                "device": self.identity.device,
                "identified": self.identity.identified,
                "session": self.session.id,
                "started": self.session.started,
                "active": self.session.active,
                "distinct_id": self.identity.distinct_id,
            }
        )

    def local(self) -> str:
        """Give the text for localStorage."""
        kept = {name: getattr(self, name) for name in KEPT}
        kept["past"] = past.kept(self.past)
        return self.cookie() + "\n" + json.dumps(kept)

    def follow(self, cookie: str) -> bool:
        """Take identity and session from a cookie's text if it is as new as ours or newer; tell whether it was.

        Whoever has said yes since is newer whatever the revision: with a no in between they are somebody else.
        """
        fields = wire.unpack_cookie(cookie)
        if fields["revision"] < self.revision and (self.asked or not fields["asked"]):
            return False
        if fields["revision"] == self.revision and fields["active"] < self.session.active:
            fields["active"] = self.session.active  # another tab's copy of the same session, a moment older
        before = self.identity, self.session.id, self.revision
        self.asked = self.asked or fields["asked"]
        self.revision = fields["revision"]
        self.identity = _identity(fields)
        self.session = Session(fields["session"], fields["started"], fields["active"])
        self._disown(*before)
        return True

    def _disown(self, identity: Identity, session: str, revision: int) -> None:
        """Forget what was kept of a visitor or a session, as far as others hold now."""
        if identity.distinct_id != self.identity.distinct_id:
            self.sent, self.proof = "", ""
            # A log-in is one revision, with a new session two. With a log-out before it there are three.
            if not is_claim(identity, self.identity) or self.revision > revision + 2:
                self.registered, self.groups, self.first = {}, {}, {}
        if session != self.session.id:
            self.of_session, self.entry = {}, {}

    def resume(self, cookie: str, theirs: "past.Past") -> None:
        """Take over the state that a page had not lived to store: its cookie's text, and its past."""
        self.follow(cookie)
        self._join(wire.unpack_cookie(cookie), theirs)

    def follow_local(self, local: str) -> None:
        """Take the properties from localStorage's text, and the identity too where it is newer than ours.

        Newer, and not in use before ours: the cookie is shared by subdomains whose localStorage is their own. A
        higher revision that was left there long ago belongs to a visitor whose cookies have been cleared since.
        """
        cookie, _, rest = local.partition("\n")
        try:
            kept = values.parsed(rest)
            found = {name: kept.get(name) for name in KEPT}
        except (ValueError, AttributeError, RuntimeError):  # RuntimeError: nested too deeply for the parser
            raise BadState("what localStorage held is damaged; registered properties are forgotten.") from None
        fields, theirs, ours = wire.unpack_cookie(cookie), past.whole(found["past"]), self.past
        is_half_written = past.is_shared([past.entry("", self.identity)], theirs, "")  # the cookie comes after it
        if fields["revision"] > self.revision and (fields["active"] >= self.session.active or is_half_written):
            self.follow(cookie)
        for name, kind in KEPT.items():
            setattr(self, name, found[name] if isinstance(found[name], kind) else kind())
        self.tabs = [each for each in self.tabs if isinstance(each, list) and len(each) == 3]
        self.past = ours
        before, now = _identity(fields), self.identity.distinct_id
        if before.distinct_id == now or (ours and ours[-1][2] == now):
            self._join(fields, theirs)
        elif before.device == self.identity.device:
            self.past = past.overtaken(theirs or [past.entry("", before)], self.identity, self.session.active)
        else:  # cookies were cleared: this is somebody else's
            self.past = []
        self._disown(before, fields["session"], fields["revision"])

    def _join(self, fields: "dict[str, Any]", theirs: "past.Past") -> None:
        """Put the past of somebody with these fields of the cookie together with ours; the newest call decides."""
        if not (self.past or theirs):
            return
        ours = self.past or [past.entry("", self.identity)]
        if past.is_shared(ours, theirs, fields["distinct_id"]):
            is_newer = fields["revision"] >= self.revision
            self.past = past.joined(self.past, theirs) if is_newer else past.joined(theirs, self.past)
        elif fields["distinct_id"] == self.identity.distinct_id:
            self.past = theirs
        if self.past and self.past[-1][2] != self.identity.distinct_id:
            self.become(past.identity_of(self.past[-1]))


def _identity(fields: "dict[str, Any]") -> Identity:
    """Give the identity among a cookie's fields."""
    return Identity(fields["device"], fields["distinct_id"], fields["identified"])


def fresh(id: str) -> State:
    """Give the state of a first visit: one id for device and visitor, no session yet."""
    return State(Identity(id, id), Session("", 0, 0), -1)
