"""The columnar copy is a cache that is always right: merges, deletions, lost files, several processes."""

from __future__ import annotations

import itertools
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from beknown_server import columns as module
from beknown_server import parquet, replica, segments
from beknown_server import reading as readings
from beknown_server.columns import Columns
from beknown_server.errors import TooBusy, Unusable
from beknown_server.store import Claim, Project, Store, open_store

from ..conftest import BOTH_ENGINES, NOW, SECRET, event

Row = tuple[Any, ...]
COUNT = "select count(*), count(distinct person) from event"


def fill(store: Store, project: Project, count: int, *, start: int = 0, visitors: int = 10) -> None:
    rows = [event("view", f"v{number % visitors}", NOW + number) for number in range(start, start + count)]
    store.append(project.id, rows, NOW)


def counted(columns: Columns, project: Project) -> tuple[int, int]:
    """Give how many events and how many persons the copy holds now."""
    with columns.reading(project.id) as reading:
        events = reading.ask("trends", {"series": "0", "bucket": "0", "measure": "count(*)", **EVERY}, **ALL)
        persons = reading.ask("unique", EVERY, **ALL)
        return (events[0][2] if events else 0), persons[0][0]


def deleted(database: str, project: Project, who: str) -> int:
    """Delete a person as another process does, and give the id's number."""
    other = open_store(database)
    (number,) = other.corrections.delete(project.id, who, now=NOW).numbers
    other.close()
    return number


MANY = 1_000_000  # visitors: every event is a new one's
EVERY = {"match": "true", "only": ""}
ALL = {"start": 0, "stop": 2**60}


@BOTH_ENGINES
@pytest.mark.usefixtures("small")
def test_files_and_newest_rows_are_neither_double_nor_missing(store: Store, project: Project, columns: Columns) -> None:
    for step in range(13):
        fill(store, project, 5, start=step * 5)
        assert counted(columns, project) == (step * 5 + 5, min(step * 5 + 5, 10))
    assert len(list(columns._folder.rglob("*.parquet"))) == 3


@BOTH_ENGINES
def test_a_claim_and_an_earlier_one_that_comes_late_reach_a_copy_that_is_there(
    store: Store, project: Project, columns: Columns
) -> None:
    fill(store, project, 30)
    assert counted(columns, project) == (30, 10)
    claim = event("$identify", "user", NOW + 100, claim=Claim("claim", "v1", "user"))
    store.append(project.id, [claim], NOW)
    assert counted(columns, project) == (31, 10)  # v1 and the user are one
    late = event("$identify", "other", NOW - 100, claim=Claim("claim", "v1", "other"))
    store.append(project.id, [late], NOW)  # happened first: v1 was the other's, and the user stands alone
    assert counted(columns, project) == (32, 11)


@BOTH_ENGINES
@pytest.mark.usefixtures("small")
def test_what_an_operator_corrects_reaches_every_copy_that_is_there(
    store: Store, project: Project, columns: Columns
) -> None:
    fill(store, project, 50)
    operators, other = store.corrections, Columns(store, columns._folder)

    def persons() -> int:
        assert counted(columns, project) == counted(other, project)
        events, found = counted(other, project)
        assert events == (50 if found > 8 else 40)
        return found

    assert persons() == 10
    link = operators.merge(project.id, "v1", "v2", now=NOW)
    assert persons() == 9
    operators.undo(project.id, link, now=NOW)
    assert persons() == 10
    operators.redo(project.id, link)
    assert persons() == 9
    assert operators.split(project.id, ["v1"], now=NOW) == [link]
    assert persons() == 10
    operators.redo(project.id, link)
    assert persons() == 9
    operators.delete(project.id, "v1", now=NOW)  # v2 goes with them
    assert persons() == 8
    other.close()


@BOTH_ENGINES
@pytest.mark.usefixtures("small")
def test_a_deleted_persons_events_are_not_counted_and_leave_the_files(
    store: Store, project: Project, columns: Columns, database: str
) -> None:
    fill(store, project, 50)
    assert counted(columns, project) == (50, 10)
    number = deleted(database, project, "v3")
    assert counted(columns, project) == (45, 9)
    columns.forget(project.id, [number])
    assert counted(columns, project) == (45, 9)
    columns.close()  # while others may be reading, the old files are kept for GRACE_S; not beyond the process
    files = [str(path) for path in columns._folder.rglob("*.parquet")]
    assert len(files) == 2
    left = module.duckdb.sql(f"select count(*) from read_parquet({files}) where id = {number}").fetchall()
    assert left == [(0,)]


@BOTH_ENGINES
@pytest.mark.usefixtures("small")
def test_a_deletion_reaches_another_processes_newest_rows_before_they_become_a_file(
    store: Store, project: Project, columns: Columns, database: str
) -> None:
    fill(store, project, 15)
    assert counted(columns, project) == (15, 10)  # all of them only in memory
    number = deleted(database, project, "v3")
    fill(store, project, 10, start=100)  # v3 again, as a new id
    assert counted(columns, project) == (23, 10)
    files = [str(path) for path in columns._folder.rglob("*.parquet")]
    assert len(files) == 1
    left = module.duckdb.sql(f"select count(*) from read_parquet({files}) where id = {number}").fetchall()
    assert left == [(0,)]


@BOTH_ENGINES
@pytest.mark.usefixtures("small")
def test_what_is_older_than_the_retention_period_leaves_the_copy_of_every_process(
    store: Store, project: Project, columns: Columns
) -> None:
    fill(store, project, 95)
    other = Columns(store, columns._folder)
    assert counted(columns, project) == counted(other, project) == (95, 10)
    columns.forget_before(project.id, NOW + 50)
    assert counted(columns, project) == counted(other, project) == (45, 10)
    columns._copy(project.id)._segments.tidy(grace=0)
    files = [str(path) for path in columns._folder.rglob("*.parquet")]
    oldest = module.duckdb.sql(f"select min(timestamp) from read_parquet({files})").fetchall()
    assert oldest == [(NOW + 50,)]
    columns.forget_before(project.id, NOW + 93)  # into the rows that no file has yet
    assert counted(columns, project) == counted(other, project) == (2, 2)
    columns.forget_before(project.id, NOW + 40)  # forgotten is forgotten
    fill(store, project, 30, start=95)
    assert counted(columns, project) == counted(other, project) == (32, 10)
    other.close()
    again = Columns(store, columns._folder)
    assert counted(again, project) == (32, 10)
    again.close()


@pytest.mark.usefixtures("small")
def test_forgotten_years_are_one_empty_file(store: Store, project: Project, columns: Columns, monkeypatch: Any) -> None:
    fill(store, project, 95)
    counted(columns, project)
    columns.forget_before(project.id, NOW + 80)
    monkeypatch.setattr(segments, "GRACE_S", 0)
    fill(store, project, 21, start=95)
    assert counted(columns, project) == (36, 10)
    assert len(list(columns._folder.rglob("*.parquet"))) == 3  # nothing up to 63, four of 84, the new ones


@pytest.mark.usefixtures("small")
def test_a_store_that_was_put_back_to_an_older_state(
    store: Store, project: Project, columns: Columns, database: str, tmp_path: Path
) -> None:
    fill(store, project, 50)
    assert counted(columns, project) == (50, 10)
    columns.close()
    with sqlite3.connect(database.removeprefix("sqlite:///")) as raw:  # the last 30 never happened
        raw.execute("delete from event where seq > 20")
        raw.execute("update sqlite_sequence set seq = 20 where name = 'event'")
    raw.close()
    again = Columns(store, columns._folder)
    assert counted(again, project) == (20, 10)
    again.close()
    for step in range(50):  # other events under the same numbers
        store.append(project.id, [event("buy", f"v{step % 3}", NOW + step)], NOW)
    again = Columns(store, columns._folder)
    with again.reading(project.id) as reading:
        assert reading.ask("names.events", most=5) == [("buy", 50), ("view", 20)]
    again.close()


def test_what_a_killed_process_put_on_disk_is_swept(store: Store, project: Project, columns: Columns) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left, other = columns._folder / f"spill-{dead.pid}", columns._folder / "spill-1"
    for folder in (left, other):
        folder.mkdir(parents=True)
        (folder / "piece.tmp").write_bytes(b"x")
    fill(store, project, 3)
    assert counted(columns, project) == (3, 3)
    assert not left.exists()
    assert other.exists()  # that process lives


@pytest.mark.usefixtures("small")
def test_lost_and_torn_files_are_made_again(store: Store, project: Project, columns: Columns) -> None:
    fill(store, project, 95)
    assert counted(columns, project) == (95, 10)
    files = sorted(columns._folder.rglob("*.parquet"))
    assert len(files) == 4
    files[1].unlink()
    assert counted(columns, project) == (95, 10)
    shutil.rmtree(files[0].parent)
    fill(store, project, 3)
    assert counted(columns, project) == (98, 10)
    columns.close()
    torn = min(columns._folder.rglob("*.parquet"))
    torn.write_bytes(torn.read_bytes()[:-9])
    again = Columns(store, columns._folder)
    assert counted(again, project) == (98, 10)
    again.close()


@pytest.mark.usefixtures("small")
def test_a_new_process_reads_the_files_and_only_the_rest_from_the_store(
    store: Store, project: Project, columns: Columns, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, project, 50)
    counted(columns, project)
    asked: list[int] = []
    real = store.columns
    monkeypatch.setattr(
        store, "columns", lambda *args, **more: asked.append(more["after"]) or real(*args, **more)  # type: ignore[func-returns-value]
    )  # fmt: skip
    other = Columns(store, columns._folder)
    assert counted(other, project) == (50, 10)
    assert max(asked) >= 40
    assert asked[0] >= 40  # the first question to the store begins behind the files
    other.close()


@BOTH_ENGINES
@pytest.mark.usefixtures("small")
def test_a_new_process_reads_whose_the_ids_are_from_a_file_and_what_changed_since_from_the_store(
    store: Store, project: Project, columns: Columns, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [event("view", f"p{number}", NOW + number) for number in range(30)]
    store.append(project.id, people, NOW)
    assert counted(columns, project) == (30, 30)
    assert len(list(columns._folder.rglob("ids-*.parquet"))) == 1
    claims = [event("$identify", "user", NOW + 100 + n, claim=Claim("claim", f"p{n}", "user")) for n in range(3)]
    store.append(project.id, claims, NOW)
    deleted = store.corrections.delete(project.id, "p9", now=NOW)
    columns.forget(project.id, deleted.numbers)
    asked: list[tuple[str, int]] = []
    real = store.columns
    monkeypatch.setattr(
        store, "columns", lambda *args, **more: asked.append((args[1], more["after"])) or real(*args, **more)  # type: ignore[func-returns-value]
    )  # fmt: skip
    other = Columns(store, columns._folder)
    assert counted(other, project) == counted(columns, project) == (32, 27)  # p0 to p2 are one, p9 is gone
    assert min(after for what, after in asked if what == "distinct_id") >= 28
    other.close()


@BOTH_ENGINES
@pytest.mark.usefixtures("small")
def test_a_process_that_follows_anothers_files_reads_the_new_ids_too(
    store: Store, project: Project, columns: Columns
) -> None:
    other = Columns(store, columns._folder)
    assert counted(columns, project) == counted(other, project) == (0, 0)
    fill(store, project, 20, visitors=MANY)
    assert counted(columns, project) == (20, 20)
    assert len(list(columns._folder.rglob("*-*.parquet"))) >= 1  # so the other reads no event from the store
    assert counted(other, project) == (20, 20)
    other.close()


@pytest.mark.usefixtures("small")
def test_another_database_at_the_same_place_gets_a_copy_of_its_own(
    store: Store, project: Project, columns: Columns, tmp_path: Path
) -> None:
    fill(store, project, 50)
    counted(columns, project)
    fresh = open_store(f"sqlite:///{tmp_path}/other.db")
    fresh.migrate()
    mine = fresh.create_project("Other", "bk_other", "bks_other", NOW)
    other = Columns(fresh, columns._folder)
    assert counted(other, mine) == (0, 0)
    other.close()
    fresh.close()


@BOTH_ENGINES
@pytest.mark.usefixtures("small")
def test_a_copy_of_an_older_format_goes_when_a_new_one_begins(
    store: Store, project: Project, columns: Columns, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, project, 50)
    monkeypatch.setattr(module, "FORMAT", "older")
    assert counted(columns, project) == (50, 10)
    columns.close()
    monkeypatch.undo()
    assert list(columns._folder.rglob("*.parquet"))
    foreign = columns._folder / "of-another-database"
    foreign.mkdir()
    new = Columns(store, columns._folder)
    assert counted(new, project) == (50, 10)  # nothing of it is left that a deletion would not reach
    assert not list(columns._folder.glob("*-older"))
    assert foreign.exists()
    new.close()


@pytest.mark.usefixtures("small")
def test_threads_that_ask_while_events_arrive_see_each_event_once(
    store: Store, project: Project, columns: Columns
) -> None:
    wrong: list[str] = []

    def ask() -> None:
        for _ in range(15):
            at_least = store.counts(project.id, 0).events
            found, persons = counted(columns, project)
            at_most = store.counts(project.id, 0).events
            if not at_least <= found == persons <= at_most:
                wrong.append(f"{at_least} <= {found} = {persons} <= {at_most}")

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for step in range(40):
        fill(store, project, 3, start=step * 3, visitors=MANY)
    for thread in threads:
        thread.join()
    assert wrong == []
    assert counted(columns, project) == (120, 120)


ASK = """
import sys
from pathlib import Path
from beknown_server import columns, replica
from beknown_server.store import open_store
replica.PAGE, replica.SEGMENT = 50, 100
store = open_store(sys.argv[1])
copy = columns.Columns(store, Path(sys.argv[2]))
for _ in range(20):
    at_least = store.counts(1, 0).persons
    with copy.reading(1) as reading:
        found = reading.ask("unique", {"match": "true"}, start=0, stop=2**60)[0][0]
        rows = reading.ask("trends", {"series": "0", "bucket": "0", "measure": "count(*) - count(distinct seq)",
                           "match": "true", "only": ""}, start=0, stop=2**60)
    assert rows[0][2] == 0, rows  # nothing is double
    assert at_least <= found <= store.counts(1, 0).persons, found  # and nobody is missing
copy.close()
store.close()
"""


@BOTH_ENGINES
def test_processes_share_the_files(store: Store, project: Project, database: str, tmp_path: Path) -> None:
    fill(store, project, 1000, visitors=MANY)
    arguments = [sys.executable, "-c", ASK, database, str(tmp_path / "columns")]
    started = [subprocess.Popen(arguments) for _ in range(3)]
    start = 1000
    while any(process.poll() is None for process in started):
        fill(store, project, 5, start=start, visitors=MANY)
        start += 5
        time.sleep(0.03)  # pages of 50 are slow to read
    assert [process.returncode for process in started] == [0, 0, 0]


def test_a_long_build_says_how_far_it_is(
    store: Store, project: Project, columns: Columns, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, project, 20)
    monkeypatch.setattr(module, "PATIENCE_S", 0.0)
    with pytest.raises(TooBusy, match=r"the columnar copy is being made: \d+% is done"), columns.reading(project.id):
        pass
    monkeypatch.undo()
    assert counted(columns, project) == (20, 10)
    assert columns.progress(project.id) == 1.0


def test_a_project_without_events_is_done_at_once(store: Store, project: Project, columns: Columns) -> None:
    assert counted(columns, project) == (0, 0)
    assert columns.progress(project.id) == 1.0


def test_a_pattern_that_is_none_and_an_answer_without_end_are_refused(
    store: Store, project: Project, columns: Columns, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, project, 20)
    with columns.reading(project.id) as reading, pytest.raises(Unusable, match="cannot be asked"):
        reading.ask("unique", {"match": "regexp_matches(name, $pattern)"}, pattern="(", **ALL)
    monkeypatch.setattr(readings, "MOST_S", 0.2)
    with columns.reading(project.id) as reading:
        endless = "(select count(*) from range(10000000) a, range(10000000) b where a.range + b.range = seq) >= 0"
        with pytest.raises(TooBusy, match=r"no answer within|took more than"):
            reading.ask("unique", {"match": endless}, **ALL)


def test_who_asks_while_many_others_do_waits_a_while_and_the_line_is_short(
    store: Store, project: Project, columns: Columns, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, project, 20)
    monkeypatch.setattr(module, "PATIENCE_S", 1.0)
    with ExitStack() as others:
        for _ in range(module.AT_ONCE):
            others.enter_context(columns.reading(project.id))
        started = time.monotonic()
        with pytest.raises(TooBusy, match="too many others") as refused, columns.reading(project.id):
            pass
        assert time.monotonic() - started >= 0.9
        assert "Ask again" in refused.value.fix
        waiting = [threading.Thread(target=asks, args=(columns, project)) for _ in range(module.IN_LINE)]
        monkeypatch.setattr(module, "PATIENCE_S", 10.0)
        for thread in waiting:
            thread.start()
        while columns._line._value:
            time.sleep(0.01)
        started = time.monotonic()
        with pytest.raises(TooBusy, match="too many others"), columns.reading(project.id):
            pass
        assert time.monotonic() - started < 5  # it keeps no thread waiting
    for thread in waiting:
        thread.join()
    assert counted(columns, project) == (20, 10)


@pytest.mark.usefixtures("small")
def test_files_that_go_while_somebody_waits_for_a_turn_are_made_again(
    store: Store, project: Project, columns: Columns, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, project, 50)
    assert counted(columns, project) == (50, 10)
    copy, waits = columns._copies[project.id], threading.Event()
    catch_up, snapshot = copy.catch_up, copy.snapshot
    found: list[tuple[int, int]] = []
    waiting = threading.Thread(target=lambda: found.append(counted(columns, project)))
    with ExitStack() as others:
        for _ in range(module.AT_ONCE):
            others.enter_context(columns.reading(project.id))
        monkeypatch.setattr(copy, "catch_up", lambda patience: [catch_up(patience), waits.set()])
        waiting.start()
        assert waits.wait(10)
        shutil.rmtree(columns._folder)
    waiting.join()
    assert found == [(50, 10)]

    def gone() -> Any:
        shutil.rmtree(columns._folder)
        return snapshot()

    with monkeypatch.context() as patched:
        patched.setattr(copy, "snapshot", gone)
        with pytest.raises(TooBusy, match="removed just now"):
            counted(columns, project)
    assert counted(columns, project) == (50, 10)


def asks(columns: Columns, project: Project) -> None:
    with suppress(TooBusy), columns.reading(project.id):
        pass


def test_what_is_loaded_comes_by_and_by_and_not_for_ever(
    store: Store, project: Project, columns: Columns, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, project, 20)
    monkeypatch.setattr(readings, "ROWS_AT_ONCE", 3)
    with columns.reading(project.id) as reading:
        reading.load("known", '[{"person":"BIGINT"}]', [(1,), (2,)])
        reading.load("known", '[{"person":"BIGINT"}]', ((person,) for person in range(10)))
        found = reading.ask("unique", {"match": "(select sum(person) from known) = 45"}, **ALL)
        assert found == [(10,)]
    monkeypatch.setattr(readings, "MOST_S", 0.2)
    endless = ((person,) for person in itertools.count())
    with columns.reading(project.id) as reading, pytest.raises(TooBusy, match="took more than"):
        reading.load("known", '[{"person":"BIGINT"}]', endless)


def test_the_questions_of_one_answer_share_its_time(
    store: Store, project: Project, columns: Columns, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, project, 20)
    monkeypatch.setattr(readings, "MOST_S", 2.0)

    def slow() -> Iterator[Row]:
        time.sleep(1.2)
        yield (1,)

    with columns.reading(project.id) as reading:
        reading.load("known", '[{"person":"BIGINT"}]', slow())
        assert reading.ask("unique", EVERY, **ALL) == [(10,)]
        with pytest.raises(TooBusy, match="took more than"):
            reading.load("known", '[{"person":"BIGINT"}]', slow())  # alone it would be quick enough
        with pytest.raises(TooBusy, match="took more than"):
            reading.ask("unique", EVERY, **ALL)
    assert counted(columns, project) == (20, 10)


def test_an_answer_that_needs_more_memory_and_disk_than_it_may_have_is_refused_and_the_next_one_comes(
    store: Store, project: Project, columns: Columns, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, project, 20)
    monkeypatch.setitem(module.CONFIG, "memory_limit", "30MB")
    monkeypatch.setitem(module.CONFIG, "max_temp_directory_size", "1MB")
    many = "seq in (select a.range from range(3000) a, range(3000) b group by a.range, b.range)"
    with columns.reading(project.id) as reading, pytest.raises(TooBusy, match="memory and disk"):
        reading.ask("unique", {"match": many}, **ALL)
    assert counted(columns, project) == (20, 10)


def test_properties_of_a_kilobyte_are_asked_within_little_memory(tmp_path: Path) -> None:
    """Ten million such events ended in "needs more memory", at any limit below a hundred megabytes for each thread."""
    properties = '\'{"plan": "\' || range % 3 || \'", "own": "\' || repeat(md5(range::varchar), 30) || \'"}\''
    with module.duckdb.connect(config=module.CONFIG) as db:
        db.execute(f"create table e as select range as seq, {properties} as properties from range(100_000)")
        for number in range(4):
            parquet.write(db, "e", tmp_path / f"{number}.parquet")
    with module.duckdb.connect(config={**module.CONFIG, "memory_limit": "150MB", "threads": 2}) as db:
        value = "json_extract_string(properties, '/plan')"
        asked = f"select {value}, count(*) from read_parquet('{tmp_path}/*.parquet') group by all order by all"
        assert db.execute(asked).fetchall() == [("0", 133_336), ("1", 133_332), ("2", 133_332)]


@BOTH_ENGINES
def test_a_deletion_while_others_ask_never_breaks_an_answer(
    store: Store, project: Project, columns: Columns, monkeypatch: pytest.MonkeyPatch, database: str
) -> None:
    monkeypatch.setattr(replica, "PAGE", 50)
    monkeypatch.setattr(replica, "SEGMENT", 100)
    fill(store, project, 1000)
    assert counted(columns, project) == (1000, 10)
    found: list[tuple[int, int]] = []
    wrong: list[Exception] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            try:
                found.append(counted(columns, project))
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for name in ("v1", "v2", "v3"):
        deleted = store.corrections.delete(project.id, name, now=NOW)
        columns.forget(project.id, deleted.numbers)
    columns.forget_before(project.id, NOW + 500)
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert all(350 <= events <= 1000 and 7 <= persons <= 10 for events, persons in found)
    assert counted(columns, project) == (350, 7)


def test_what_was_acknowledged_is_in_the_next_answer_of_every_worker(serve: Any) -> None:
    server = serve("--workers", "2")
    key = {"Authorization": f"Bearer {SECRET}"}
    asked = {"date_from": "2020-01-01", "date_to": "2024-01-01", "interval": "month", "display": "total"}
    for number in range(1, 11):
        body = {
            "api_key": "bk_tests",
            "event": "view",
            "distinct_id": f"v{number}",
            "timestamp": "2023-05-05T00:00:00Z",
        }
        assert httpx.post(server.url + "/e/", json=body).status_code == 200
        answer = httpx.post(server.url + "/api/insights/trends", json=asked, headers=key)  # a new connection each
        assert answer.json()["series"][0]["data"] == [number]
