"""A backup of a database that is being written to: whole, and of one moment."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from pathlib import Path

import pytest
from beknown_server.errors import Misconfigured
from beknown_server.store import Project, Store, open_store

from .conftest import BOTH_ENGINES, NOW, event


def test_a_backup_under_load_is_whole_and_of_one_moment(store: Store, project: Project, tmp_path: Path) -> None:
    """Batches of ten events are stored while it runs: of each batch all or nothing is in the backup, and in order."""
    stop, batches = threading.Event(), [0]
    padding = {"padding": "x" * 2000}

    def write() -> None:
        while not stop.is_set():
            number = batches[0]
            store.append(
                project.id, [event("x", f"id-{n}", properties={"batch": number, **padding}) for n in range(10)], NOW
            )
            batches[0] += 1

    writer = threading.Thread(target=write)
    writer.start()
    while batches[0] < 30:
        pass
    shares: list[float] = []
    before = batches[0]
    store.upkeep.backup(tmp_path / "copy.db", shares.append)
    while batches[0] < before + 5:  # it went on writing meanwhile
        pass
    stop.set()
    writer.join()

    raw = sqlite3.connect(tmp_path / "copy.db")
    assert raw.execute("pragma integrity_check").fetchone() == ("ok",)
    raw.close()
    copy = open_store(f"sqlite:///{tmp_path}/copy.db")
    counted = Counter(row.properties["batch"] for row in copy.recent(project.id, limit=1_000_000))
    copy.close()
    assert set(counted.values()) == {10}
    assert sorted(counted) == list(range(len(counted)))
    assert len(counted) >= before
    assert shares[-1] == 1


def test_a_backup_overwrites_nothing_and_leaves_nothing_half(store: Store, tmp_path: Path) -> None:
    store.upkeep.backup(tmp_path / "copy.db")
    with pytest.raises(Misconfigured, match="exists already"):
        store.upkeep.backup(tmp_path / "copy.db")
    with pytest.raises(Misconfigured, match="cannot be written"):
        store.upkeep.backup(tmp_path / "nowhere/copy.db")
    assert [path.name for path in tmp_path.glob("*unfinished*")] == []


@BOTH_ENGINES
def test_postgresql_has_its_own_program_for_it(store: Store, database: str, tmp_path: Path) -> None:
    if database.startswith("postgresql"):
        with pytest.raises(Misconfigured, match="pg_dump"):
            store.upkeep.backup(tmp_path / "copy.db")
    else:
        store.upkeep.backup(tmp_path / "copy.db")
