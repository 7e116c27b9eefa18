"""Ten weeks at Halyard, the demo's invented company: what its visitors would have sent, made up from a seed.

Rules:
- The same seed and the same ``now`` give the same events; nothing of it is measured, it is for looking at.
- The mistakes of real sites are in it, each by a few people: a forgotten reset, a junk id, an id per request.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from beknown.ids import RANDOM_BYTES, uuid7
from beknown_server.store import Claim, Event

MINUTE = 60_000
DAY = 24 * 60 * MINUTE
WEEKS = 10
PAGES = ("/", "/pricing", "/signup", "/account", "/guide", "/harbours")
PLANS = ("slipway", "harbour", "harbour", "marina")
SOURCES = ("search", "search", "newsletter", "a friend", "none", "none")
FIRST = (
    "Ada Grace Alan Edsger Barbara Donald Radia Ken Margaret Linus Frances Tim Katherine Dennis Hedy Niklaus".split()
)
LAST = (
    "Larsen Okafor Moreau Silva Novak Tanaka Haddad Berg Rossi Walsh Kaya Lindqvist Mensah Petrov Costa Doyle".split()
)


@dataclass
class Person:
    """Somebody with a browser of their own."""

    dice: random.Random
    began: int
    anonymous: str = ""
    device: str = ""
    user: str = ""
    name: str = ""
    plan: str = ""
    source: str = ""
    sequence: int = 0
    session: str = ""
    window: str = ""
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.anonymous = _uuid(self.dice, self.began)
        self.window = _uuid(self.dice, self.began)
        self.source = self.dice.choice(SOURCES)

    def does(self, event: str, at: int, page: str, *, distinct_id: str = "", **more: Any) -> None:
        """Send one event."""
        set_, claim = more.pop("set_", {}), more.pop("claim", None)
        self.sequence += 1
        properties = {
            "$pathname": page,
            "$current_url": f"https://halyard.example{page}",
            "$device_id": self.device or self.anonymous,
            "$window_id": self.window,
            "$session_id": self.session,
            "$is_identified": bool(self.user),
            "$lib": "beknown",
            "$sequence": self.sequence,
            "source": self.source,
            **more,
        }
        if self.dice.random() < 0.004:
            return  # lost on the way: the report's loss meter is to have something to find
        distinct_id = distinct_id or self.user or self.anonymous
        found = Event(
            _uuid(self.dice, at), event, distinct_id, at, properties, set_=set_, session_id=self.session, claim=claim
        )
        self.events.append(found)

    def visits(self, at: int, *, interest: float) -> None:
        """Look around, and with luck sign up, moor and pay."""
        self.session = _uuid(self.dice, at)
        for page in self.dice.sample(PAGES[:2] + PAGES[4:], self.dice.randint(1, 4)):
            self.does("$pageview", at, page)
            at += self.dice.randint(8_000, 3 * MINUTE)
        if not self.user and self.dice.random() < interest:
            at = self.signs_up(at)
        if self.user and self.dice.random() < 0.55:
            self.does("Berth booked", at, "/account", plan=self.plan, nights=self.dice.randint(1, 9))
            at += self.dice.randint(20_000, 4 * MINUTE)
            if self.plan != "slipway" and self.dice.random() < 0.7:
                self.does("Invoice paid", at, "/account", plan=self.plan, amount={"harbour": 39}.get(self.plan, 119))

    def changes_device(self, at: int) -> None:
        """Go on with another browser: look around as nobody, then log in."""
        self.anonymous, self.window, self.sequence = _uuid(self.dice, at), _uuid(self.dice, at), 0
        self.session, user = _uuid(self.dice, at), self.user
        self.user = ""
        self.does("$pageview", at, "/")
        self.logs_in(at + self.dice.randint(20_000, MINUTE), user)

    def logs_in(self, at: int, user: str, **set_: str) -> None:
        """Be recognised: the page calls identify."""
        claim = Claim("claim", self.anonymous, user)
        self.user = user
        self.does("$identify", at, "/account", set_=set_, claim=claim, **{"$anon_distinct_id": self.anonymous})

    def logs_out(self, at: int) -> None:
        """Leave the device to the next one, who is somebody new on it."""
        self.user, self.device = "", self.device or self.anonymous
        self.anonymous, self.session = _uuid(self.dice, at), _uuid(self.dice, at)

    def signs_up(self, at: int) -> int:
        """Become a user."""
        self.does("$pageview", at, "/signup")
        at += self.dice.randint(30_000, 4 * MINUTE)
        first, last = self.dice.choice(FIRST), self.dice.choice(LAST)
        self.name, self.plan = f"{first} {last}", self.dice.choice(PLANS)
        self.user = f"{first}.{last}.{self.dice.randint(10, 99)}@example.com".lower()
        self.logs_in(at, self.user, name=self.name, email=self.user, plan=self.plan, source=self.source)
        self.does("Signed up", at + 400, "/signup", plan=self.plan)
        return at + MINUTE


def history(now: int, *, people: int = 900, seed: int = 7) -> list[Event]:
    """Give the events of ten weeks that end now, in order of time."""
    dice = random.Random(seed)
    found: list[Event] = []
    for _ in range(people):
        began = now - int(WEEKS * 7 * DAY * dice.random() ** 1.35)
        person = Person(random.Random(dice.random()), began)
        interest, loyalty = dice.uniform(0.05, 0.5), dice.choice((1.5, 3, 9, 9, 40))
        at = began
        while at < now:
            if person.user and dice.random() < 0.03:
                person.changes_device(at - 10 * MINUTE)
            person.visits(at, interest=interest)
            if dice.random() < 0.35 and not person.user:
                break
            at += int(dice.expovariate(1 / loyalty) * DAY) + 6 * 60 * MINUTE
        found += person.events
    for mistakes in (_shared, _forgotten_reset, _junk, _id_per_request):
        found += mistakes(dice, now)
    return sorted((event for event in found if event.timestamp <= now), key=lambda event: event.timestamp)


def _shared(dice: random.Random, now: int) -> Iterator[Event]:
    """Families with one tablet, who log out as they should."""
    for number in range(25):
        at = now - dice.randint(3, 25) * DAY
        tablet = Person(random.Random(500 + number), at)
        tablet.session = _uuid(dice, at)
        users = []
        for _ in range(2):
            tablet.does("$pageview", at, "/pricing")
            at = tablet.signs_up(at + MINUTE)
            users.append(tablet.user)
            tablet.logs_out(at + 20 * MINUTE)
            at += dice.randint(1, 20) * 60 * MINUTE
        for user in (*users, *users):
            tablet.does("$pageview", at, "/")
            tablet.logs_in(at + MINUTE, user)
            tablet.logs_out(at + 5 * MINUTE)
            at += dice.randint(1, 20) * 60 * MINUTE
        yield from tablet.events


def _forgotten_reset(dice: random.Random, now: int) -> Iterator[Event]:
    """At the harbour office two colleagues share a computer, and nobody logs out."""
    for number in range(6):
        at = now - dice.randint(1, 20) * DAY
        desk = Person(random.Random(number), at)
        desk.session = _uuid(dice, at)
        for _ in range(2):
            at = desk.signs_up(at) + 5 * MINUTE
        yield from desk.events


def _junk(dice: random.Random, now: int) -> Iterator[Event]:
    """A page that identifies before it knows whom."""
    for number in range(4):
        at = now - dice.randint(1, 12) * DAY
        visitor = Person(random.Random(100 + number), at)
        visitor.session = _uuid(dice, at)
        visitor.does("$pageview", at, "/account", distinct_id="undefined")
        yield from visitor.events


def _id_per_request(dice: random.Random, now: int) -> Iterator[Event]:
    """A backend that makes up an id for every call."""
    for _ in range(160):
        at = now - dice.randint(0, 25 * DAY)
        yield Event(_uuid(dice, at), "quote requested", _uuid(dice, at), at, {"$lib": "posthog-python", "amount": 39})


def _uuid(dice: random.Random, at: int) -> str:
    return str(UUID(uuid7(at, dice.randbytes(RANDOM_BYTES))))
