"""The live stream: nothing missed, nothing twice, whoever comes and goes; over a real server process too."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest
from beknown_server import live, pace
from beknown_server.live import Feed, frames, matches, place_of
from beknown_server.pace import Pace
from beknown_server.serving import GRACE_S
from beknown_server.store import Row
from beknown_server.store.records import PersonRef

from ...backend.conftest import in_a_loop
from ...ports import free_port
from ..conftest import BOTH_ENGINES

SECRET_KEY, WRITE_KEY = "bks_livetests", "bk_livetests"
VIEWERS = 8  # per process
KEY = {"Authorization": f"Bearer {SECRET_KEY}"}


def row(seq: int, event: str = "e", name: str = "Ada", size: int = 0, **properties: str) -> Row:
    person = PersonRef("p", name, True)
    return Row(seq, str(seq), event, seq, seq, "ada-id", None, properties, person, size=size)


class Rows:
    """A store's ``recent``, over a list; remembers what it was asked for."""

    def __init__(self, count: int = 0) -> None:
        self.rows = [row(seq) for seq in range(1, count + 1)]
        self.places: list[int | None] = []  # after which of them, question by question
        self.deleted: list[int] = []  # the numbers of the changes

    def recent(self, *, limit: int, after: int | None = None) -> list[Row]:
        self.places.append(after)
        if after is None:
            return self.rows[::-1][:limit]
        return [one for one in self.rows if one.seq > after][:limit]

    def deletions(self, after: int) -> tuple[int, bool]:
        return max([after, *self.deleted]), any(number > after for number in self.deleted)

    def delete(self, *seqs: int) -> None:
        self.rows = [one for one in self.rows if one.seq not in seqs]
        self.deleted.append(len(self.deleted) + 1)

    @property
    def asked(self) -> int:
        return len(self.places)


def places(rows: list[Row] | None) -> list[int]:
    assert rows is not None
    return [one.seq for one in rows]


def feed_of(rows: Rows, *, most_viewers: int = 9, is_stopping: object = lambda: False) -> Feed:
    return Feed(rows.recent, rows.deletions, seats=threading.Semaphore(most_viewers), is_stopping=is_stopping)  # type: ignore[arg-type]


@contextmanager
def watching(feed: Feed) -> Iterator[None]:
    assert feed.enter()
    try:
        yield
    finally:
        feed.leave()


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(live, "FLOOD_SECONDS", 0.03)
    monkeypatch.setattr(live, "ASK_SECONDS", 0.0)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PAGE", 10)
    monkeypatch.setattr(live, "KEPT", 15)


def test_a_viewer_gets_what_arrives_after_its_place() -> None:
    rows = Rows(3)
    feed = feed_of(rows)
    with watching(feed):
        assert feed.head() == 3
        rows.rows.append(row(4))
        found = feed.after(3, wait_seconds=5)
        assert found is not None
        assert [one.seq for one in found] == [4]
        assert feed.after(4, wait_seconds=0.02) == []


@pytest.mark.usefixtures("small")
def test_who_comes_back_gets_what_lies_between_though_it_is_long_ago() -> None:
    rows = Rows(100)
    feed = feed_of(rows)
    with watching(feed):
        rows.rows += [row(seq) for seq in range(101, 151)]
        seen: list[int] = []
        while not seen or seen[-1] < 150:
            found = feed.after(seen[-1] if seen else 40, wait_seconds=5)
            assert found
            seen += [one.seq for one in found]
    assert seen == list(range(41, 151))


def test_many_viewers_ask_the_store_no_oftener_than_one() -> None:
    rows = Rows(3)
    feed = feed_of(rows, most_viewers=100)
    for _ in range(50):
        assert feed.enter()
    before = rows.asked
    time.sleep(0.2)
    assert rows.asked - before < 30
    for _ in range(50):
        feed.leave()


def in_stream(text: bytes) -> list[int]:
    return [int(line[4:]) for line in text.split(b"\n") if line.startswith(b"id: ")]


def until(question: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not question():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.usefixtures("small")
def test_whoever_fell_behind_shares_pages_wherever_each_is() -> None:
    rows = Rows(100)
    feed = feed_of(rows)
    with watching(feed):
        for place in (40, 43, 49, 50, 47):
            assert places(feed.after(place, wait_seconds=5)) == list(range(place + 1, place // 10 * 10 + 11))
        assert [place for place in rows.places if place in range(40, 60)] == [40, 50]
        # What is no whole page may grow, and is asked for again.
        for _ in range(2):
            assert places(feed.after(95, wait_seconds=5)) == list(range(96, 101))
        rows.rows.append(row(101))
        assert places(feed.after(96, wait_seconds=5)) == list(range(97, 101))


@pytest.mark.usefixtures("small")
def test_a_page_that_its_bytes_cut_short_is_gone_on_with() -> None:
    rows = Rows(30)
    feed = feed_of(rows)
    recent = feed._recent
    feed._recent = lambda **asked: recent(**{**asked, "limit": min(asked["limit"], 3)})
    with watching(feed):
        seen = [12]
        while seen[-1] < 30:
            seen += places(feed.after(seen[-1], wait_seconds=5))
    assert seen == list(range(12, 31))


@pytest.mark.usefixtures("small")
def test_in_a_flood_a_page_shows_the_newest_and_json_brings_everything_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "FLOOD_ROWS", 5)
    rows = Rows(40)
    feed = feed_of(rows)
    seen: dict[str, list[int]] = {"html": [], "json": []}

    def watch(form: str) -> None:
        with watching(feed):
            for text in frames(feed, 40, "", form=form, draw=lambda one: one.event):
                seen[form] += in_stream(text)
                if seen[form][-1:] == [940]:
                    return

    threads = [threading.Thread(target=watch, args=[form], daemon=True) for form in seen]
    for thread in threads:
        thread.start()
    until(lambda: feed.viewers == 2)
    for start in range(41, 941, 60):
        rows.rows += [row(seq) for seq in range(start, start + 60)]
        time.sleep(0.02)
    for thread in threads:
        thread.join(10)
    assert seen["json"] == list(range(41, 941))
    assert seen["html"] == sorted(set(seen["html"]))
    assert seen["html"][-5:] == [936, 937, 938, 939, 940]
    assert len(seen["html"]) < 300


def test_a_flood_of_bytes_is_a_flood_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PAGE_BYTES", 1000)
    rows = Rows()
    feed = feed_of(rows)
    recent = feed._recent
    # As the store: what has so many bytes before it is left for the next question.
    feed._recent = lambda **asked: recent(**{**asked, "limit": min(asked["limit"], 4)})
    with watching(feed):
        rows.rows += [row(seq, size=300) for seq in range(1, 101)]
        until(lambda: feed.head() > 0)
        assert feed.head() == 100
        assert places(feed.after(0, wait_seconds=5, most=live.ON_PAGE)) == [97, 98, 99, 100]
        assert places(feed.after(0, wait_seconds=5)) == [1, 2, 3, 4]  # a reader of JSON


@pytest.mark.usefixtures("small")
def test_a_flood_is_looked_at_no_oftener_however_much_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "FLOOD_SECONDS", 0.1)
    monkeypatch.setattr(live, "ASK_SECONDS", 0.1)
    rows = Rows(40)
    feed = feed_of(rows)
    with watching(feed):
        asked, began = rows.asked, time.monotonic()
        place = 40
        while time.monotonic() < began + 1:
            rows.rows += [row(seq) for seq in range(rows.rows[-1].seq + 1, rows.rows[-1].seq + 200)]
            place = places(feed.after(place, wait_seconds=5))[-1]  # a reader of JSON, always behind
        looks = (time.monotonic() - began) / 0.1 + 1
        assert rows.asked - asked <= 3 * looks  # two for each look, one for each page from the store
        assert place < rows.rows[-1].seq


@pytest.mark.usefixtures("small")
def test_who_is_behind_gives_way_and_who_is_not_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = Rows(50)
    feed = feed_of(rows)

    def after_text(place: int, *, arrives: int) -> tuple[int, float]:
        """Give a stream's first text's size, and how long the next one took to come."""
        stream = frames(feed, place, "", form="json", draw=lambda one: "")
        next(stream)
        size, begun = len(next(stream)), time.monotonic()
        rows.rows.append(row(arrives))
        next(stream)
        return size, time.monotonic() - begun

    with ExitStack() as viewers:
        for _ in range(9):
            viewers.enter_context(watching(feed))
        monkeypatch.setattr(pace, "BYTES_A_SECOND", 1000)
        size, took = after_text(20, arrives=51)
        assert size / 1000 <= took < 8 * size / 1000  # seconds: the others are not behind
        monkeypatch.setattr(pace, "BYTES_A_SECOND", 1)
        until(lambda: feed.head() == 51)
        assert after_text(50, arrives=52)[1] < 5


def test_a_turn_is_shared_by_those_who_are_behind_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "BYTES_A_SECOND", 100)
    shared, begun, took = Pace(lambda: False), time.monotonic(), list[float]()

    def wait() -> None:
        who = object()
        list(shared.turn(who, 20))
        shared.leave(who)
        took.append(time.monotonic() - begun)

    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert took[-1] >= 0.5  # seconds: sixty bytes in all
    begun = time.monotonic()
    wait()
    assert 0.2 <= took[-1] < 0.6  # nobody else is behind any more


def test_who_waits_for_a_turn_hears_of_it_and_goes_when_the_process_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "BYTES_A_SECOND", 1)
    monkeypatch.setattr(pace, "LOOK_SECONDS", 0.01)
    stopping = threading.Event()
    turn = Pace(stopping.is_set).turn(object(), 60)
    assert [next(turn) for _ in range(3)] == [pace.HEARTBEAT] * 3
    stopping.set()
    assert list(turn) == []


def test_who_leaves_wakes_nobody() -> None:
    feed = feed_of(Rows(3))
    with watching(feed):
        woken: list[list[Row] | None] = []
        waiting = threading.Thread(target=lambda: woken.append(feed.after(3, wait_seconds=0.5)), daemon=True)
        begun = time.monotonic()
        waiting.start()
        while waiting.is_alive():
            with watching(feed):
                time.sleep(0.01)
        assert woken == [[]]
        assert time.monotonic() - begun >= 0.5


@pytest.mark.usefixtures("small")
def test_what_is_kept_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "KEPT_BYTES", 1000)
    rows = Rows(1)
    feed = feed_of(rows)
    with watching(feed):
        rows.rows += [row(seq, size=300) for seq in range(2, 10)]
        until(lambda: feed.head() == 9)
        assert places(list(feed._rows)) == [7, 8, 9]
        found = feed.after(1, wait_seconds=5)
        assert places(found) == list(range(2, 10))  # the rest is the store's to give
        assert found
        feed.text(found, "json", "", lambda one: "x" * 100)
        assert sum(drawn.size for drawn in feed._drawn) <= 1000
        assert len(feed._texts) == 1  # but for the last


def test_what_a_page_searches_is_searched_in_all_that_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "ON_PAGE", 2)
    rows = Rows(6)
    rows.rows[1] = row(2, event="signed up")
    feed = feed_of(rows)
    with watching(feed):
        stream = frames(feed, 0, "signed", form="html", draw=lambda one: one.event)
        next(stream)
        found = next(stream)
    assert found.startswith(b"id: 2\n")


def test_a_row_is_drawn_once_for_all_who_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "KEPT", 2)
    feed, drawn = feed_of(Rows()), []

    def draw(one: Row) -> str:
        drawn.append(one.seq)
        return "x"

    for seqs in ([1], [1, 2], [2]):
        found = feed.text([row(seq) for seq in seqs], "html", "", draw)
        assert found == b"".join(b"id: %d\ndata: x\n\n" % seq for seq in seqs)
    assert drawn == [1, 2]
    feed.text([row(3)], "html", "", draw)
    assert len(feed._drawn) == 2


def test_what_several_search_is_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    feed, asked = feed_of(Rows()), []
    monkeypatch.setattr(live, "words", lambda one: asked.append(one.seq) or f"{one.event}".casefold())
    rows = [row(1, "Signed up"), row(2, "paid"), row(3, "signed out")]
    for query, found in [("signed", [1, 3]), ("SIGNED", [1, 3]), ("paid", [2]), ("", [1, 2, 3]), ("nothing", [3])]:
        for form in ("json", "html"):
            assert in_stream(feed.text(rows, form, query, lambda one: "x")) == found
    assert asked == [1, 2, 3]


@pytest.mark.usefixtures("small")
def test_who_comes_back_gets_nothing_of_somebody_who_was_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = Rows(20)
    feed = feed_of(rows)
    with watching(feed):
        rows.rows += [row(seq) for seq in range(21, 31)]
        while feed.head() < 30:
            time.sleep(0.01)
        monkeypatch.setattr(live, "POLL_SECONDS", 60)  # it is heeded at the door, before the store is asked again
        time.sleep(0.1)

        def seen(place: int) -> list[int]:
            found = feed.after(place, wait_seconds=5)
            assert found
            assert in_stream(feed.text(found, "json", "", lambda one: one.event)) == places(found)
            return places(found)

        assert (seen(20), seen(5)) == (list(range(21, 31)), list(range(6, 11)))
        rows.delete(8, 25)
        with watching(feed):
            assert seen(20) == [21, 22, 23, 24, 26, 27, 28, 29, 30]
            assert seen(5) == [6, 7, 9, 10, 11]
        assert not any(drawn.row.seq in (8, 25) for drawn in feed._drawn)


def test_a_deletion_is_heeded_while_somebody_watches() -> None:
    rows = Rows(3)
    feed = feed_of(rows)
    with watching(feed):
        rows.rows += [row(4), row(5)]
        while feed.head() < 5:
            time.sleep(0.01)
        rows.delete(4)
        until = time.monotonic() + 5
        while places(feed.after(3, wait_seconds=0)) != [5]:
            assert time.monotonic() < until


def test_nobody_watching_means_nobody_asking_and_a_new_viewer_misses_nothing() -> None:
    rows = Rows(3)
    feed = feed_of(rows)
    with watching(feed):
        pass
    time.sleep(0.05)
    asked = rows.asked
    time.sleep(0.05)
    assert rows.asked == asked
    rows.rows.append(row(4))
    with watching(feed):
        found = feed.after(3, wait_seconds=5)
        assert found is not None
        assert [one.seq for one in found] == [4]


def test_too_many_viewers_are_refused_until_one_leaves() -> None:
    feed = feed_of(Rows(), most_viewers=2)
    assert feed.enter()
    assert feed.enter()
    assert not feed.enter()
    feed.leave()
    assert feed.enter()
    feed.leave()
    feed.leave()


def test_a_process_that_ends_lets_its_viewers_go() -> None:
    stopping = threading.Event()
    feed = feed_of(Rows(), is_stopping=stopping.is_set)
    with watching(feed):
        stopping.set()
        begun = time.monotonic()
        assert feed.after(0, wait_seconds=10) is None
        assert time.monotonic() - begun < 5


def test_a_store_that_fails_sends_viewers_away_to_come_back(caplog: pytest.LogCaptureFixture) -> None:
    rows = Rows(1)
    feed = feed_of(rows)
    rows_recent, broken = rows.recent, threading.Event()

    def recent(**options: int) -> list[Row]:
        if broken.is_set():
            raise OSError("the disk is gone")
        return rows_recent(**options)  # type: ignore[arg-type]

    feed._recent = recent
    with watching(feed):
        broken.set()
        assert feed.after(1, wait_seconds=10) is None
    assert "could not read the store" in caplog.text
    broken.clear()
    with watching(feed):
        assert feed.after(0, wait_seconds=1) is not None


def test_a_frame_holds_the_place_and_the_text_line_by_line() -> None:
    rows = Rows(1)
    feed = feed_of(rows)
    with watching(feed):
        stream = frames(feed, 0, "", form="json", draw=lambda one: f"a\r\nb\rc{one.seq}")
        assert b"retry:" in next(stream)
        assert next(stream) == b"id: 1\ndata: a\ndata: b\ndata: c1\n\n"
        stream.close()


def test_a_row_that_is_filtered_out_still_moves_the_place_on() -> None:
    feed = feed_of(Rows(3))
    with watching(feed):
        stream = frames(feed, 0, "nothing like it", form="json", draw=lambda one: "x")
        next(stream)
        assert next(stream) == b"id: 3\n\n"
        stream.close()


@pytest.mark.parametrize("query", ["", "ADA", "signed", "pri", "ada-id", "page view"])
def test_a_filter_looks_at_event_person_id_and_page(query: str) -> None:
    event = "$pageview" if query == "page view" else "Signed up"
    assert matches(row(1, event, **{"$pathname": "/pricing"}), query)
    assert not matches(row(1, event), "zzz")


@pytest.mark.parametrize(
    ("header", "after", "place"), [("7", "3", 7), (None, "3", 3), ("x", "3", 3), (None, None, None), ("-5", None, 0)]
)
def test_the_place_is_the_last_event_id_before_the_address(
    header: str | None, after: str | None, place: int | None
) -> None:
    assert place_of(header, after) == place


# Over a real process --------------------------------------------------------------------------------------------


class Server:
    """`beknown serve` in a process of its own; two worker processes, so that an event may arrive in the other one."""

    def __init__(self, database: str, port: int, *, viewers: int = VIEWERS) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        arguments = ["--port", str(port), "--database", database, "--migrate", "--workers", "2"]
        arguments += ["--viewers", str(viewers)]
        environment = {**os.environ, "BEKNOWN_KEY": WRITE_KEY, "BEKNOWN_SECRET_KEY": SECRET_KEY}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "beknown_server", "serve", *arguments],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            assert self.process.poll() is None
            try:
                if httpx.get(self.url + "/healthz/ready").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError("the server did not start")

    def capture(self, event: str, distinct_id: str = "visitor-1") -> None:
        body = {"api_key": WRITE_KEY, "event": event, "distinct_id": distinct_id, "properties": {}}
        assert httpx.post(self.url + "/e/", json=body).status_code == 200

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)


@pytest.fixture
def server(database: str) -> Iterator[Server]:
    running = Server(database, free_port())
    yield running
    running.stop()


@contextmanager
def stream_of(server: Server, query: str = "", **headers: str) -> Iterator[Iterator[tuple[int, dict[str, object]]]]:
    with httpx.stream("GET", f"{server.url}/api/live{query}", headers={**KEY, **headers}, timeout=20) as answer:
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        yield events_in(answer.iter_lines())


def events_in(lines: Iterator[str]) -> Iterator[tuple[int, dict[str, object]]]:
    place = 0
    for line in lines:
        if line.startswith("id: "):
            place = int(line[4:])
        elif line.startswith("data: "):
            yield place, json.loads(line[6:])


@BOTH_ENGINES
def test_an_event_is_seen_within_a_second_wherever_it_arrived(server: Server) -> None:
    with stream_of(server, "?after=0") as events:
        server.capture("begin")
        next(events)
        took = []
        for number in range(6):
            sent = time.monotonic()
            server.capture(f"event {number}")
            _, event = next(events)
            assert event["event"] == f"event {number}"
            took.append(time.monotonic() - sent)
        assert min(took) < 1  # seconds; the others may have waited for the machine, which is shared


@BOTH_ENGINES
def test_a_viewer_that_lost_its_connection_misses_nothing_and_sees_nothing_twice(server: Server) -> None:
    seen: list[object] = []
    place = 0
    for round_ in range(4):
        for number in range(5):
            server.capture(f"{round_}.{number}")
        with stream_of(server, "?after=0", **({"Last-Event-ID": str(place)} if place else {})) as events:
            for _ in range(3 if round_ < 3 else 20 - len(seen)):
                place, event = next(events)
                seen.append(event["event"])
    assert seen == [f"{round_}.{number}" for round_ in range(4) for number in range(5)]


def test_a_stream_taken_up_again_has_nothing_of_somebody_who_was_deleted(server: Server) -> None:
    with stream_of(server, "?after=0") as events:
        for number in range(3):  # while somebody watches: these are in memory
            server.capture(f"event {number}", f"visitor-{number}")
        place, _ = next(events)
        next(events)
        next(events)
        httpx.delete(f"{server.url}/api/persons/visitor-1", headers=KEY).raise_for_status()
        with stream_of(server, f"?after={place}") as again:
            assert next(again)[1]["event"] == "event 2"


def test_too_many_viewers_get_a_reason_and_ingestion_goes_on(server: Server) -> None:
    answers, streams = [], []
    client = httpx.Client(headers=KEY, timeout=20)
    try:
        for _ in range(2 * VIEWERS + 1):
            answer = client.send(client.build_request("GET", server.url + "/api/live"), stream=True)
            streams.append(answer)
            answers.append(answer.status_code)
        assert 503 in answers
        assert answers.count(200) >= VIEWERS
        server.capture("still taken")
    finally:
        for answer in streams:
            answer.close()
        client.close()


def test_a_server_that_stops_is_not_held_up_by_its_viewers(server: Server) -> None:
    with stream_of(server) as events:
        begun = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert list(events) == []
        server.process.wait(20)
        assert time.monotonic() - begun < GRACE_S


def test_two_hundred_viewers_see_every_event_once_and_ingestion_goes_on(database: str) -> None:
    server = Server(database, free_port(), viewers=256)
    try:
        seen = in_a_loop(watched(server, viewers=200, events=60))
    finally:
        server.stop()
    assert all(one == [*range(1, 61)] for one in seen)


async def watched(server: Server, *, viewers: int, events: int) -> list[list[int]]:
    """Open so many viewers, store so many events while a tenth of them leaves and comes back; give what each saw."""
    ready = [asyncio.Event() for _ in range(viewers)]
    tasks = [asyncio.create_task(followed(server, ready[n], events, leaves=n % 10 == 0)) for n in range(viewers)]
    async with asyncio.timeout(60):
        await asyncio.gather(*(one.wait() for one in ready))
        for number in range(events):
            await asyncio.to_thread(server.capture, f"event {number}")
        return await asyncio.gather(*tasks)


async def followed(server: Server, ready: asyncio.Event, events: int, *, leaves: bool) -> list[int]:
    """Read the stream until so many events were seen; give their places."""
    seen: list[int] = []
    while len(seen) < events:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        head = f"GET /api/live HTTP/1.0\r\nAuthorization: Bearer {SECRET_KEY}\r\n"
        writer.write(f"{head}Last-Event-ID: {seen[-1] if seen else 0}\r\n\r\n".encode())
        async for line in reader:
            ready.set()
            if line.startswith(b"id: "):
                seen.append(int(line[4:]))
            if len(seen) == events or (leaves and len(seen) == events // 3 and line == b"\n"):
                leaves = False
                break
        writer.close()
    return seen
