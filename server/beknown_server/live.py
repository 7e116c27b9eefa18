"""The live stream: events as they arrive, to any number of viewers, at the price of one question per process.

Rules:
- One thread per project and process asks the store for what came after the last row, every POLL_SECONDS (the more
  viewers, the less often, but within a second), and only while somebody is watching. It asks the store, not this
  process's memory: an event may have arrived elsewhere.
- It does no more in a second, whatever comes in: ingestion comes first. When more than a page has come since it last
  looked (PAGE, PAGE_BYTES), it reads the newest FLOOD_ROWS and looks again after FLOOD_SECONDS. A page of the dashboard
  goes on with those; a reader of JSON gets what lies between from the store, in order, at a pace that all such readers
  share (pace.py, ASK_SECONDS): it lags and loses nothing.
- A viewer's place is a ``seq``, the order of arrival. Whoever comes back with an older one (``Last-Event-ID``)
  gets what lies between from the store, so a dropped connection leaves no gap and repeats nothing.
- A stream ends after STREAM_SECONDS and the browser comes back by itself: a session that was closed stays closed.
- A viewer holds a thread of the server, from seats of its own: ingestion never waits for one. Beyond the last seat
  a viewer is refused. What all viewers get is drawn, joined and encoded once, what they search is searched once.
- Memory is bounded in bytes (KEPT_BYTES for each of the things that are kept), and so is every question (PAGE_BYTES):
  an event may have a megabyte of properties.
- What is in memory of somebody who was deleted goes with them, in whichever process that was: it is let go of before
  a viewer comes in, and as often as the store is asked. What is missing then is read from the store again.
- A process that was asked to end lets its viewers go at once; they come back to the next one.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice

from .display import label, place
from .kept import Kept
from .pace import HEARTBEAT, Pace
from .store import Row

POLL_SECONDS = 0.2  # well inside "within a second"; five cheap indexed reads a second
POLL_PER_VIEWER = 0.0035  # but with many viewers no oftener than this for each: 200 of them wake every 0.7 s
FLOOD_SECONDS = 0.9  # between looks while more than a page comes: still within a second
FLOOD_ROWS = 60  # that a page is shown then: nobody reads more of them in a second
FLOCK, FLOCK_SECONDS = 2, 0.003  # so many viewers wake at a time: an event that comes in never waits for more of them
PAGE = 500  # rows per question, when there are many
PAGE_BYTES = 4_000_000  # of properties per question, but for its first row
ASK_SECONDS = 0.1  # between two questions for those who are behind
KEPT = 2000  # rows that late viewers get without asking the store
KEPT_BYTES = 16_000_000
KEPT_PAGES = 4  # pages of rows, for viewers who fell behind that together
KEPT_TEXTS = 32  # batches of frames, as bytes, that viewers in step with each other share
ON_PAGE = 300  # rows that a page of the dashboard keeps (live.js): older ones of one batch are not worth sending it
HEARTBEAT_SECONDS = 15  # proxies close a silent connection after 30 to 60 s
STREAM_SECONDS = 600

log = logging.getLogger("beknown.live")

Recent = Callable[..., list[Row]]
Deletions = Callable[[int], tuple[int, bool]]
Draw = Callable[[Row], str]


@dataclass
class Drawn:
    """What viewers get of a row: its frame in each form (``json``, ``html``), and the text that they search."""

    row: Row
    frames: dict[str, bytes] = field(default_factory=dict)

    @cached_property
    def words(self) -> str:
        return words(self.row)

    @property
    def size(self) -> int:
        return self.row.size + sum(map(len, self.frames.values()))


class Feed:
    """The newest rows of one project, shared by everybody who watches it in this process.

    ``recent(after=seq, limit=n)`` answers with rows beyond ``seq``, oldest first; without ``after``, newest first. It
    may give fewer than there are, but never none of some.
    ``deletions(change)`` answers with the number of the last change, and whether somebody was deleted after ``change``.
    """

    def __init__(
        self, recent: Recent, deletions: Deletions, *, seats: threading.Semaphore, is_stopping: Callable[[], bool]
    ) -> None:
        self._recent = recent
        self._deletions = deletions
        self._seats = seats  # shared by all feeds of a process
        self._is_stopping = is_stopping
        self.pace = Pace(is_stopping)
        self._changed = threading.Condition()
        self._drawing = threading.Lock()
        self._asking = threading.Lock()
        self._asked = 0.0  # when somebody who fell behind last asked the store
        # What those who fell behind were given, by the row that it begins after.
        self._pages: Kept[int, list[Row]] = Kept(KEPT_PAGES, KEPT_BYTES, lambda rows: sum(row.size for row in rows))
        self._rows: deque[Row] = deque()
        self._bytes = 0  # of their properties
        self._floor = 0  # rows beyond this seq are all in _rows
        self._is_cut = False  # what came before those of _rows was more than anybody reads
        self._head = 0  # the newest seq that was read
        self._change = 0  # deletions up to this one are heeded
        # What was drawn, and the same by batch, with the rows that it is of.
        self._drawn: Kept[int, Drawn] = Kept(KEPT, KEPT_BYTES, lambda drawn: drawn.size)
        self._texts: Kept[tuple[int, int, str, str], tuple[list[Row], bytes]] = Kept(
            KEPT_TEXTS, KEPT_BYTES, lambda text: len(text[1])
        )
        self._viewers = 0
        self._poller: threading.Thread | None = None

    @property
    def viewers(self) -> int:
        """How many are watching."""
        return self._viewers

    def enter(self) -> bool:
        """Take a seat and see that somebody polls; False if none is free."""
        if not self._seats.acquire(blocking=False):
            return False
        with self._changed:
            self._viewers += 1
            if self._poller is None:
                try:
                    self._start()
                except BaseException:  # the store could not be asked: nobody has come in
                    self._viewers -= 1
                    self._seats.release()
                    raise
        try:
            self._heed(self._deletions(self._change))
        except BaseException:
            self.leave()
            raise
        return True

    def leave(self) -> None:
        """Give the seat back; after the last viewer the polling stops. The others need not hear of it."""
        with self._changed:
            self._viewers -= 1
        self._seats.release()

    def head(self) -> int:
        """Give the seq of the newest row."""
        with self._changed:
            return self._head

    def after(self, seq: int, *, wait_seconds: float, most: int | None = None) -> list[Row] | None:
        """Give rows beyond ``seq``, oldest first, waiting for one; [] if none came, None if polling ended.

        Where only the newest ``most`` are wanted, more may be given, but none is left out.
        """
        with self._changed:
            if self._poller and self._head <= seq:
                self._changed.wait(wait_seconds)
            if self._poller is None:
                return None
            if seq >= self._floor or (most and (self._is_cut or len(self._rows) >= most)):
                start = bisect_right(self._rows, seq, key=lambda row: row.seq)
                return list(islice(self._rows, start, None))
        return self._page(seq)

    def _page(self, seq: int) -> list[Row]:
        """Give the next rows beyond ``seq`` from the store.

        Pages begin at whole PAGEs, so that whoever is behind shares them, wherever each is. No two rows have one
        ``seq``: a full page reaches beyond any within PAGE of its beginning, unless its bytes were too many.
        """
        start = seq - seq % PAGE
        with self._asking:
            rows = self._pages.get(start)
            if rows is None:
                rows = self._ask(start)
                if len(rows) == PAGE:  # nothing will ever be added to it
                    self._pages.put(start, rows)
            if rows and rows[-1].seq <= seq:
                rows = self._ask(seq)
        return rows[bisect_right(rows, seq, key=lambda row: row.seq) :]

    def _ask(self, after: int) -> list[Row]:
        time.sleep(max(0.0, self._asked + ASK_SECONDS - time.monotonic()))
        self._asked = time.monotonic()
        return self._recent(after=after, limit=PAGE)

    def text(self, rows: list[Row], form: str, query: str, draw: Draw) -> bytes:
        """Give the frames of those of the rows that match, in this ``form``, made once for all viewers.

        A row that does not match still moves the place on, so that coming back does not search it again.
        """
        key = (rows[0].seq, rows[-1].seq, form, query)
        with self._drawing:  # all viewers wake at once: the first one draws, the others wait for it
            known = self._texts.get(key)
            if known is None or known[0] != rows:  # a deletion may have taken one from between
                known = self._texts.put(key, (rows, self._text(rows, form, query.casefold(), draw)))
        return known[1]

    def _text(self, rows: list[Row], form: str, query: str, draw: Draw) -> bytes:
        found = [self._drawing_of(row) for row in rows]
        if query:
            found = [each for each in found if query in each.words]
        if form == "html":
            found = found[-ON_PAGE:]
        for each in found:
            if form not in each.frames:
                each.frames[form] = _frame(each.row.seq, draw(each.row)).encode()
                self._drawn.put(each.row.seq, each)
        return b"".join([each.frames[form] for each in found]) or b"id: %d\n\n" % rows[-1].seq

    def _drawing_of(self, row: Row) -> Drawn:
        known = self._drawn.get(row.seq)
        if known is None or known.row != row:  # a deletion may have taken an id out of it
            known = self._drawn.put(row.seq, Drawn(row))
        return known

    def _heed(self, deletions: tuple[int, bool]) -> int:
        """Let go of all that was read, if somebody was deleted since; give the number of the last change."""
        change, is_deleted = deletions
        if is_deleted:
            with self._changed:
                self._forget()
            with self._asking:  # who is reading a page just now puts it in its place first
                self._pages.clear()
            with self._drawing:
                self._drawn.clear()
                self._texts.clear()
        return change

    def _forget(self) -> None:
        self._rows.clear()
        self._bytes = 0
        self._floor = self._head
        self._is_cut = False

    def _start(self) -> None:
        self._change, _ = self._deletions(self._change)
        newest = self._recent(limit=1)
        self._head = newest[0].seq if newest else 0
        self._forget()
        self._pages.clear()
        self._poller = threading.Thread(target=self._poll, name="beknown-live", daemon=True)
        self._poller.start()

    def _poll(self) -> None:
        try:
            while self._goes_on():
                began = time.monotonic()
                # In this order: of what is read after it, those who were deleted before it are no part. Only here the
                # number moves on, so that what this thread read before a deletion goes the next time at the latest.
                self._change = self._heed(self._deletions(self._change))
                rows, is_flood = self._news()
                if rows:
                    self._add(rows, is_flood)
                spent = time.monotonic() - began  # waking them takes its time
                pause = FLOOD_SECONDS if is_flood else POLL_PER_VIEWER * self._viewers
                time.sleep(max(POLL_SECONDS, pause - spent))
        except Exception:  # the threshold of this thread: what the store may raise is the store's affair
            log.exception("The live view could not read the store. Viewers come back and start it anew.")
        finally:  # whatever ended it, no viewer may wait for ever
            with self._changed:
                if self._poller is threading.current_thread():
                    self._poller = None
                self._changed.notify_all()

    def _news(self) -> tuple[list[Row], bool]:
        """Give what is new, and whether it is too much: then only the newest."""
        rows = self._recent(after=self._head, limit=PAGE)
        if len(rows) < PAGE and sum(row.size for row in rows) < PAGE_BYTES:  # else there may be more
            return rows, False
        return self._recent(limit=FLOOD_ROWS)[::-1], True

    def _goes_on(self) -> bool:
        with self._changed:
            goes_on = self._viewers > 0 and not self._is_stopping()
            if not goes_on:
                self._poller = None  # in one step with the question, so that a new viewer starts a new one
            return goes_on

    def _add(self, rows: list[Row], is_flood: bool) -> None:
        with self._changed:
            if is_flood:
                self._head = rows[0].seq - 1  # what lies before is the store's to give
                self._forget()
                self._is_cut = True
            self._rows.extend(rows)
            self._bytes += sum(row.size for row in rows)
            self._head = rows[-1].seq
            while len(self._rows) > KEPT or (self._bytes > KEPT_BYTES and len(self._rows) > 1):
                gone = self._rows.popleft()
                self._floor, self._bytes = gone.seq, self._bytes - gone.size
        for _ in range(0, self._viewers, FLOCK):
            with self._changed:
                self._changed.notify(FLOCK)
            time.sleep(FLOCK_SECONDS)


def words(row: Row) -> str:
    """Give what a search looks in: a row's event, person, id and page, whatever their case."""
    texts = (row.event, label(row.event), row.person.name, row.distinct_id, place(row.properties))
    return "\n".join(texts).casefold()


def matches(row: Row, query: str) -> bool:
    """Tell whether a row contains the text where a search looks."""
    return query.casefold() in words(row)


def frames(feed: Feed, after: int, query: str, *, form: str, draw: Draw) -> Iterator[bytes]:
    """Give the stream's text for one viewer: a frame per row that matches, its ``id`` the row's seq."""
    yield b": beknown\nretry: 1000\n\n"
    # Not all at once, of those who came at once.
    ends = time.monotonic() + STREAM_SECONDS * random.uniform(0.8, 1.2)
    most = ON_PAGE if form == "html" and not query else None
    viewer = object()
    try:
        while time.monotonic() < ends:
            rows = feed.after(after, wait_seconds=HEARTBEAT_SECONDS, most=most)
            feed.pace.leave(viewer)
            if rows is None:
                return
            if not rows:
                yield HEARTBEAT
                continue
            after = rows[-1].seq
            text = feed.text(rows, form, query, draw)
            yield text
            if after < feed.head():
                yield from feed.pace.turn(viewer, len(text))
    finally:
        feed.pace.leave(viewer)


def _frame(seq: int, text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")  # in a stream, a bare CR ends a line as well
    lines = "".join([f"data: {line}\n" for line in text.split("\n")])
    return f"id: {seq}\n{lines}\n"


def place_of(last_event_id: str | None, after: str | None) -> int | None:
    """Give where a viewer goes on: its ``Last-Event-ID``, else the ``after`` of the address, else None (from now)."""
    for text in (last_event_id, after):
        with suppress(ValueError, TypeError):
            return max(0, int(text))  # type: ignore[arg-type]
    return None
