"""A project whose events are written by hand, and the desk that answers questions on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from beknown.ids import RANDOM_BYTES, uuid7
from beknown_server import replica
from beknown_server.columns import Columns
from beknown_server.insights import Desk
from beknown_server.spans import Zone
from beknown_server.store import Claim, Event, Project, Store

from ..conftest import NOW
from .reference import Rich

TODAY = date(2026, 11, 30)
UTC_DAYS = Zone(ZoneInfo("UTC"), sunday=False)
TEAMS = {"p1": "red", "p2": "blue"}  # a property of persons of random histories; whoever else is in none
_projects = count()


def ms(text: str) -> int:
    """Give the milliseconds of a time such as "2026-11-02" or "2026-11-02 09:30:00", in UTC."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


class History:
    """Events as they happen, in any order, and the answers of the moment."""

    def __init__(self, store: Store, project: Project, folder: Path) -> None:
        self.store, self.project = store, project
        self.columns = Columns(store, folder)
        self.zone, self.today = UTC_DAYS, TODAY
        self._count = 0

    def event(self, name: str, who: str, at: str | int, **more: Any) -> Event:
        """Give an event; ``anon`` makes it an identify that claims this anonymous id."""
        when = ms(at) if isinstance(at, str) else at
        anonymous, set_, session = more.pop("anon", None), more.pop("set_", {}), more.pop("session", None)
        personal = more.pop("personal", True)
        claim = Claim("claim", anonymous, who) if anonymous else None
        self._count += 1
        uuid = uuid7(when, self._count.to_bytes(RANDOM_BYTES, "big"))
        return Event(uuid, name, who, when, more, set_=set_, session_id=session, claim=claim, personal=personal)

    def happens(self, name: str, who: str, *at: str | int, **more: Any) -> None:
        """Store an event, once for each of the times."""
        self.store.append(self.project.id, [self.event(name, who, one, **more) for one in at], ms("2026-12-01"))

    def forgets(self, before: str | int) -> None:
        """Take out the events from before a time, as a retention period does."""
        at = ms(before) if isinstance(before, str) else before
        self.store.upkeep.erase_before(self.project.id, at, limit=1000)
        self.columns.forget_before(self.project.id, at)

    def ask(self, question: Any, body: dict[str, Any], **more: Any) -> Any:
        """Give the answer to a question of insights.py and its neighbours."""
        with self.columns.reading(self.project.id) as reading:
            people = lambda keys: self.store.person_texts(self.project.id, keys)  # noqa: E731
            return question(Desk(reading, people, self.zone, self.today), body, **more)


@pytest.fixture
def history(store: Store, project: Project, tmp_path: Path) -> Iterator[History]:
    made = History(store, project, tmp_path / "columns")
    yield made
    made.columns.close()


@pytest.fixture
def stored(store: Store, tmp_path: Path) -> Callable[[list[Rich]], tuple[History, list[Rich]]]:
    """Give what stores a random history in a project of its own, as it arrives."""

    def make(happened: list[Rich]) -> tuple[History, list[Rich]]:
        number = next(_projects)
        project = store.create_project("Random", f"bk_rich_{number}", f"bks_rich_{number}", NOW)
        history = History(store, project, tmp_path / "columns")
        every = [one._replace(seq=seq) for seq, one in enumerate(happened)]
        store.append(project.id, [_told(history, one) for one in every], NOW)
        return history, every

    return make


def _told(history: History, one: Rich) -> Event:
    carried: dict[str, Any] = {"plan": one.plan, "$pathname": one.plan} if one.plan else {}
    if one.amount is not None:
        carried["amount"] = one.amount
    if one.company is not None:
        carried["$groups"] = {"company": one.company}
    if one.source == "mail":  # a campaign says more than the site that its link was on
        carried |= {"$utm_source": "mail", "$referring_domain": "x.example"}
    elif one.source:
        carried["$referring_domain"] = one.source
    team = {"team": TEAMS[one.person]} if one.person in TEAMS else {}
    return history.event(one.name, one.person, one.at, session=one.session or None, set_=team, **carried)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of 7 events and files of 20, so that a few dozen events show what millions would."""
    monkeypatch.setattr(replica, "PAGE", 7)
    monkeypatch.setattr(replica, "SEGMENT", 20)


@pytest.fixture
def columns(store: Store, tmp_path: Path) -> Iterator[Columns]:
    made = Columns(store, tmp_path / "columns")
    yield made
    made.close()
