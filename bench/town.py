"""Simulated people whose truth is known, and the trace that they leave; bench/population.py counts it.

People have several devices, some of them shared; they sign up or never do, log in early, late or not at all, forget to
log out, have two tabs open; browsers clear cookies, block storage, open private windows, forget after seven days
(Safari); phones are offline for hours; backends speak for a user at once, and identify a user with whatever anonymous
id the cookie holds. How often each thing comes is an assumption: ``World``. What a browser does with its id is not:
that is decided by the client's own ``beknown.identity``.

Of two tabs each follows at its next call what was done in the other, as with our tag. The trace is one for all ways of
counting: that a tab of posthog-js keeps its old id until it is loaded again, unless its ``defaults`` are of 2026-08-29
or later, is not held against it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from beknown.identity import Identity, identify, reset
from beknown.ids import uuid7

START = 1_793_491_200_000  # 2026-11-01
SERVER = ("server", "server")  # the place of events that a backend sent
DAY, HOUR, MINUTE = 86_400_000, 3_600_000, 60_000


@dataclass(frozen=True)
class World:
    """How often each thing happens; shares of persons, devices, visits or log-ins, as named."""

    users: float = 0.45  # of the persons sign up at some time
    stays_anonymous: float = 0.25  # of a user's visits to a browser that does not know them: no log-in
    late: float = 0.4  # of the log-ins come after some pages
    shared: float = 0.06  # of the persons use a household's device, too
    logs_out: float = 0.03  # of a user's visits to a device of their own have a log-out
    forgets_reset: float = 0.4  # of those who leave a shared device stay logged in
    stale: float = 0.3  # of the log-ins over another user: the backend claims the device id in the cookie
    two_tabs: float = 0.15  # of the visits are in two tabs at once; one of them logs in or out, both go on
    cleared: float = 0.02  # of the visits begin with cleared cookies
    private: float = 0.03  # of the visits are in a private window
    blocked: float = 0.01  # of the devices keep nothing: a new id on each page
    safari: float = 0.35  # of the devices forget after seven days
    offline: float = 0.06  # of the visits are delivered hours later
    backend: float = 0.3  # of a user's visits have a server event, too


TROUBLES: dict[str, dict[str, float]] = {
    "an ordinary site": {},
    "no trouble at all": dict.fromkeys(
        ["shared", "forgets_reset", "stale", "cleared", "private", "blocked", "safari", "offline", "two_tabs"], 0.0
    )
    | {"stays_anonymous": 0.0, "users": 1.0},
    "shared devices": {"shared": 0.4, "forgets_reset": 0.7, "stale": 0.6},
    "late and forgotten log-ins": {"late": 0.9, "stays_anonymous": 0.6},
    "two tabs": {"two_tabs": 0.8, "late": 0.8, "logs_out": 0.3},
    "cleared, private, blocked": {"cleared": 0.15, "private": 0.2, "blocked": 0.1},
    "mostly Safari": {"safari": 0.95},
    "mostly offline, devices shared": {
        "offline": 0.5,
        "backend": 0.7,
        "shared": 0.4,
        "forgets_reset": 0.7,
        "stale": 0.6,
    },
}


@dataclass
class Device:
    """A browser: where it is, what it keeps."""

    address: str
    browser: str
    forgets: bool
    blocked: bool
    shared: bool
    identity: Identity | None = None
    used: int = 0


@dataclass
class Person:
    """Somebody: what they use, how often they come, and when they become a user."""

    number: int
    rate: float
    signs_up: int | None
    devices: list[Device] = field(default_factory=list)

    @property
    def user(self) -> str:
        return f"user-{self.number}"


@dataclass(frozen=True)
class Plan:
    """What somebody does in a visit: the pages in each of its tabs, before which they log in, after which out."""

    pages: int
    tabs: int
    login_at: int | None
    logout_at: int | None


@dataclass(frozen=True)
class Happened:
    """One event: when, when it arrived, in which visit, whose it is, under which id, and what it says of ids."""

    at: int
    arrives: int
    visit: int
    truth: int
    distinct_id: str
    place: tuple[str, str]
    personal: bool
    claims: str | None = None
    named: bool = False
    tab: int = 0  # of the visit's


class Town:
    """Everybody, and the trace that they leave."""

    def __init__(self, world: World, people: int, days: int, seed: int) -> None:
        self.world, self.days, self.dice = world, days, random.Random(seed)
        self.trace: list[Happened] = []
        self.visits = 0
        self.people = [self._person(number) for number in range(people)]
        households = [one for one in self.people if self.dice.random() < world.shared]
        for first, second in zip(households[::2], households[1::2], strict=False):
            tablet = self._device(first.devices[0].address, shared=True)
            first.devices.append(tablet)
            second.devices.append(tablet)
        moments = sorted(
            (START + day * DAY + self.dice.randrange(7 * HOUR, 23 * HOUR), one.number)
            for one in self.people
            for day in range(days)
            for _ in range(self.dice.random() < one.rate)
        )
        for at, number in moments:
            self._visit(self.people[number], at)

    def _person(self, number: int) -> Person:
        signs_up = self.dice.randrange(self.days // 2) if self.dice.random() < self.world.users else None
        person = Person(number, self.dice.choice([0.06, 0.15, 0.35, 0.7]), signs_up)
        home = f"home-{number // 2}"  # two to an address; an office and a carrier have hundreds
        for place in self.dice.choice([[home], [home, "mobile"], [home, "mobile", "office"], [home, "office"]]):
            address = place if place == home else f"{place}-{self.dice.randrange(15)}"
            person.devices.append(self._device(address))
        return person

    def _device(self, address: str, *, shared: bool = False) -> Device:
        browser = f"browser-{min(int(self.dice.expovariate(0.15)), 40)}"  # a few are everybody's
        forgets, blocked = self.dice.random() < self.world.safari, self.dice.random() < self.world.blocked
        return Device(address, browser, forgets, blocked, shared)

    def _visit(self, person: Person, at: int) -> None:
        world, dice = self.world, self.dice
        device = dice.choice(person.devices)
        kept = device.identity
        private = dice.random() < world.private
        lost = dice.random() < world.cleared or (device.forgets and at - device.used > 7 * DAY)
        identity = kept if kept and not (private or lost or device.blocked) else self._fresh(at)
        self.visits += 1
        delay = dice.randrange(HOUR, 48 * HOUR) if dice.random() < world.offline else 0
        is_user = person.signs_up is not None and at >= START + person.signs_up * DAY
        plan = self._plan(person, device, identity, is_user)
        for page in range(plan.pages + 1):
            now = at + page * MINUTE
            if device.blocked and page:
                identity = self._fresh(now)
            if page == plan.login_at:
                identity = self._log_in(person, device, identity, now, delay)
            if page < plan.pages:
                self._look(person, device, identity, now, delay, plan.tabs)
            if page == plan.logout_at and identity.identified:
                identity = reset(identity, self._uuid(now))
        if is_user and dice.random() < world.backend:
            self._say(person, device, person.user, at + plan.pages * MINUTE, 0, personal=True, place=SERVER)
        if not private:
            device.identity, device.used = identity, at

    def _plan(self, person: Person, device: Device, identity: Identity, is_user: bool) -> Plan:
        world, dice = self.world, self.dice
        pages = dice.randint(1, 6)
        tabs = 2 if dice.random() < world.two_tabs else 1
        login_at = dice.randint(1, pages) if dice.random() < world.late else 0
        logout_at = pages if tabs == 1 else dice.randint(login_at, pages)  # at the end, or while the other tab goes on
        logs_in = (
            is_user
            and identity.distinct_id != person.user
            and (identity.identified or dice.random() >= world.stays_anonymous)
        )
        logs_out = dice.random() < (0.9 if device.shared else world.logs_out)
        stays = device.shared and dice.random() < world.forgets_reset
        return Plan(pages, tabs, login_at if logs_in else None, logout_at if logs_out and not stays else None)

    def _look(self, person: Person, device: Device, identity: Identity, now: int, delay: int, tabs: int) -> None:
        for tab in range(tabs):
            # What a browser keeps is kept for all its tabs; where it keeps nothing, the other tab knows nobody.
            seen = self._fresh(now) if device.blocked and tab else identity
            at = now + 1 + tab * MINUTE // 2
            self._say(person, device, seen.distinct_id, at, delay, personal=seen.identified, tab=tab)

    def _log_in(self, person: Person, device: Device, identity: Identity, now: int, delay: int) -> Identity:
        after, how, _ = identify(identity, person.user, self._uuid(now))
        if how == "switch" and self.dice.random() < self.world.stale:
            # The log-in is the backend's first, and only then the page's: it is there before the tag says anything.
            claims = identity.device  # as the cookie has it; what the tag makes of it comes after
            self._say(person, device, person.user, now - 500, 0, personal=True, claims=claims, place=SERVER)
        claims = identity.distinct_id if how == "claim" else None
        self._say(person, device, person.user, now, delay, personal=True, claims=claims, named=how == "switch")
        return after

    def _say(
        self,
        person: Person,
        device: Device,
        distinct_id: str,
        at: int,
        delay: int,
        *,
        personal: bool,
        claims: str | None = None,
        named: bool = False,
        tab: int = 0,
        place: tuple[str, str] | None = None,
    ) -> None:
        where = place or (device.address, device.browser)
        self.trace.append(
            Happened(at, at + delay, self.visits, person.number, distinct_id, where, personal, claims, named, tab)
        )

    def _fresh(self, at: int) -> Identity:
        anonymous = self._uuid(at)
        return Identity(anonymous, anonymous)

    def _uuid(self, at: int) -> str:
        return uuid7(at, self.dice.randbytes(10))
