"""What a fact costs, in rows and not in seconds: as many for a user of many ids as for one of two."""

from __future__ import annotations

from typing import Any

import pytest
from beknown_server.store import Claim, Event, Project, Store
from beknown_server.store.postgres import PostgresConnection
from beknown_server.store.sqlite import SqliteConnection

from .conftest import BOTH_ENGINES, NOW, event

MANY = 60
CHANGED = "select sum(n_tup_ins + n_tup_upd + n_tup_del)::int as rows from pg_stat_xact_user_tables"


class Rows:
    """Counts what the writer's transactions read, statement by statement, and what they changed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read = self.changed = 0
        for kind in (SqliteConnection, PostgresConnection):
            monkeypatch.setattr(kind, "all", self._counting(kind.all))
            monkeypatch.setattr(kind, "begin", self._beginning(kind.begin))
            monkeypatch.setattr(kind, "commit", self._committing(kind.commit))

    def _counting(self, real: Any) -> Any:
        def all(connection: Any, name: str, /, **values: Any) -> list[Any]:
            rows: list[Any] = real(connection, name, **values)
            self.read += len(rows)
            return rows

        return all

    def _beginning(self, real: Any) -> Any:
        def begin(connection: Any) -> None:
            real(connection)
            self.changed -= _changed(connection)

        return begin

    def _committing(self, real: Any) -> Any:
        def commit(connection: Any) -> None:
            self.changed += _changed(connection)
            real(connection)

        return commit

    def of(self, store: Store, project: Project, said: Event) -> tuple[int, int]:
        """Give how many rows it reads and how many it changes to store this."""
        self.read = self.changed = 0
        store.append(project.id, [said], NOW)
        return self.read, self.changed


def _changed(connection: Any) -> int:
    """Give how many rows this connection has changed so far."""
    if isinstance(connection, PostgresConnection):
        return int(connection._raw.execute(CHANGED).fetchone()["rows"] or 0)
    return int(connection._raw.total_changes)


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> Rows:
    return Rows(monkeypatch)


def said(kind: str, x: str, y: str, at: int) -> Event:
    return event("$identify", y, NOW + at, claim=Claim(kind, x, y))


def user(store: Store, project: Project, name: str, ids: int) -> None:
    """Have a user of so many ids."""
    claims = [said("claim", f"{name}-{number}", name, number) for number in range(1, ids)]
    store.append(project.id, claims, NOW)


@BOTH_ENGINES
def test_a_user_of_many_ids_costs_no_more_rows_than_one_of_two(store: Store, project: Project, rows: Rows) -> None:
    found = []
    for name, ids in (("few", 2), ("many", MANY)):
        user(store, project, name, ids)
        store.append(project.id, [event("seen", f"{name}-new")], NOW)
        costs = {
            "event": event("$pageview", name, NOW + 900, set_={"plan": "pro", "$browser": "Firefox"}),
            "of an old id": event("$pageview", f"{name}-1", NOW + 901, set_once={"$initial_url": "/"}),
            "claim": said("claim", f"{name}-new", name, 902),
            "claim of an unseen id": said("claim", f"{name}-unseen", name, 903),
            "repeated claim": said("claim", f"{name}-1", name, 904),
            "refused claim": said("claim", f"{name}-1", f"not-{name}", 905),
            "alias": said("alias", f"{name}-alias", name, 906),
            "late claim of a known user": said("claim", f"{name}-late", name, MANY),
        }
        found.append({what: rows.of(store, project, one) for what, one in costs.items()})
    assert found[0] == found[1]
    assert all(0 < changed < 20 for _, changed in found[0].values())


@BOTH_ENGINES
@pytest.mark.parametrize("direction", [1, -1])
def test_a_merge_moves_the_smaller_side_whichever_survives(
    store: Store, project: Project, rows: Rows, direction: int
) -> None:
    found = []
    for size in (5, MANY):
        few, many = f"few-{size}", f"many-{size}"
        user(store, project, few, 3)
        user(store, project, many, size)
        x, y = (few, many)[::direction]
        found.append(rows.of(store, project, said("forced_merge", x, y, 900)))
        person = store.person(project.id, few)
        assert person is not None
        assert (person.distinct_ids[0], len(person.distinct_ids)) == (y, 3 + size)
    assert found[0] == found[1]
