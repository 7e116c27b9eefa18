"""What is asked of one id or one person reads along an index to their own rows, and no one else's.

On SQLite, which plans by rules and so always alike; PostgreSQL plans by what it counts in the tables.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from beknown_server.store import open_store, question

UUID, WHEN = b"u" * 16, {"at": 1, "uuid": b"u" * 16}
OF_ONE: list[tuple[str, dict[str, Any]]] = [
    ("distinct_id.find", {"project_id": 1, "name": "ada", "personal": True}),
    ("distinct_id.find", {"project_id": 1, "name": "ada", "personal": True, "uuid": UUID}),
    ("distinct_id.find", {"project_id": 1, "name": "ada", "uuid": UUID}),
    ("distinct_id.standing", {"ids": [1, 2]}),
    ("distinct_id.places", {"ids": [1, 2]}),
    ("distinct_id.of_person", {"keys": [1]}),
    ("person.heads", {"keys": [1]}),
    ("property.of_persons", {"keys": [1]}),
    ("property.layers", {"ids": [1]}),
    ("property.origins", {"key": 1}),
    ("event.known", {"project_id": 1, "uuids": [UUID]}),
    ("event.told", {"project_id": 1, "uuids": [UUID]}),
    ("event.count_of", {"ids": [1]}),
    *(
        ("event.recent", {"project_id": 1, "limit": 9, **whose, **end})
        for whose in ({"id": 1}, {"person": 1})
        for end in ({"newest": True}, {"oldest": True, "after": 1}, {"newest": True, "before": 9, "event": "x"})
    ),
    ("fact.before", {"y": 1, "rules": ["claim"], **WHEN}),
    ("fact.before", {"y": 1, "x": 2, "rules": ["claim"], **WHEN}),
    ("fact.around", {"ids": [1]}),
    ("fact.explain", {"ids": [1]}),
    ("fact.by_uuid", {"project_id": 1, "uuid": UUID}),
    ("fact.by_id", {"project_id": 1, "id": 1}),
    ("forgotten.among", {"project_id": 1, "hashes": [UUID]}),
]
ALL_OF_A_PROJECT = re.compile(r"^SCAN (?!CONSTANT|given)|\(project_id=\?( AND (seq|last_seen)[<>]\?)*\)")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("plans") / "beknown.db"
    store = open_store(f"sqlite:///{file}")
    store.migrate()
    store.close()
    return file


def plan(database: Path, sql: str, values: dict[str, Any]) -> list[str]:
    with closing(sqlite3.connect(database)) as db:
        return [row[3] for row in db.execute("explain query plan " + sql, values)]


@pytest.mark.parametrize(("name", "values"), OF_ONE, ids=lambda one: one if isinstance(one, str) else " ".join(one))
def test_what_is_asked_of_one_reads_no_others(database: Path, name: str, values: dict[str, Any]) -> None:
    steps = plan(database, *question.bound(question.text(name), values))
    assert steps
    assert [step for step in steps if ALL_OF_A_PROJECT.search(step)] == []


def test_an_or_within_a_project_would_be_seen(database: Path) -> None:
    sql = "select id from distinct_id where project_id = :project_id and (name = :name or uuid = :uuid)"
    steps = plan(database, sql, {"project_id": 1, "name": "ada", "uuid": UUID})
    assert any(ALL_OF_A_PROJECT.search(step) for step in steps)


def test_a_repeated_claim_reads_what_was_said_of_the_visitor_not_of_the_user(database: Path) -> None:
    asked = {"y": 1, "x": 2, "rules": ["claim"], **WHEN}
    (step,) = plan(database, *question.bound(question.text("fact.before"), asked))
    assert "fact#x" in step
