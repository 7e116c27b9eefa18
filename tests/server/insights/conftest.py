"""A project whose events are written by hand, and the desk that answers questions on it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
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

TODAY = date(2026, 11, 30)
UTC_DAYS = Zone(ZoneInfo("UTC"), sunday=False)


def ms(text: str) -> int:
    """Give the milliseconds of a time such as "2026-11-02" or "2026-11-02 09:30:00", in UTC."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


class History:
    """Events as they happen, in any order, and the answers of the moment."""

    def __init__(self, store: Store, project: Project, folder: Path) -> None:
        self.store, self.project = store, project
        self.columns = Columns(store, folder)
        self.zone = UTC_DAYS
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
            return question(Desk(reading, people, self.zone, TODAY), body, **more)


@pytest.fixture
def history(store: Store, project: Project, tmp_path: Path) -> Iterator[History]:
    made = History(store, project, tmp_path / "columns")
    yield made
    made.columns.close()


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
