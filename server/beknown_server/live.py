"""The live stream: events as they arrive, to any number of viewers, at the price of one question per process.

Rules:
- One thread per project and process asks the store for what came after the last row, every POLL_SECONDS (the more
  viewers, the less often, but within a second), and only while somebody is watching. It asks the store, not this
  process's memory: an event may have arrived elsewhere.
- A viewer's place is a ``seq``, the order of arrival. Whoever comes back with an older one (``Last-Event-ID``)
  gets what lies between from the store, so a dropped connection leaves no gap and repeats nothing.
- A stream ends after STREAM_SECONDS and the browser comes back by itself: a session that was closed stays closed.
- A viewer holds a thread of the server, from seats of its own: ingestion never waits for one. Beyond the last seat
  a viewer is refused. What all viewers get is drawn, joined and encoded once.
- Who falls behind, as all do when events come by the thousand, must not fall upon the store: a page of the dashboard
  goes on with the newest rows, and others who are in step share one question.
- What is in memory of somebody who was deleted goes with them, in whichever process that was: it is let go of before
  a viewer comes in, and as often as the store is asked. What is missing then is read from the store again.
- A process that was asked to end lets its viewers go at once; they come back to the next one.
"""

from __future__ import annotations

import logging
import threading
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

from .display import label, place
from .store import Row

POLL_SECONDS = 0.2  # well inside "within a second"; five cheap indexed reads a second
POLL_PER_VIEWER = 0.0035  # but with many viewers no oftener than this for each: 200 of them wake every 0.7 s
FLOCK, FLOCK_SECONDS = 2, 0.003  # so many viewers wake at a time: an event that comes in never waits for more of them
PAGE = 500  # rows per question, when there are many
KEPT = 2000  # rows that late viewers get without asking the store
KEPT_PAGES = 4  # pages of rows, for viewers who fell behind that together
KEPT_TEXTS = 32  # batches of frames, as bytes, that viewers in step with each other share
ON_PAGE = 300  # rows that a page of the dashboard keeps (live.js): older ones of one batch are not worth sending it
HEARTBEAT_SECONDS = 15  # proxies close a silent connection after 30 to 60 s
STREAM_SECONDS = 600

log = logging.getLogger("beknown.live")

Recent = Callable[..., list[Row]]
Deletions = Callable[[int], tuple[int, bool]]


class Feed:
    """The newest rows of one project, shared by everybody who watches it in this process.

    ``recent(after=seq, limit=n)`` answers with rows beyond ``seq``, oldest first; without ``after``, newest first.
    ``deletions(change)`` answers with the number of the last change, and whether somebody was deleted after ``change``.
    """

    def __init__(
        self, recent: Recent, deletions: Deletions, *, seats: threading.Semaphore, is_stopping: Callable[[], bool]
    ) -> None:
        self._recent = recent
        self._deletions = deletions
        self._seats = seats  # shared by all feeds of a process
        self._is_stopping = is_stopping
        self._changed = threading.Condition()
        self._drawing = threading.Lock()
        self._asking = threading.Lock()
        self._pages: dict[int, list[Row]] = {}  # what those who fell behind were given, by where they were
        self._rows: deque[Row] = deque()
        self._floor = 0  # rows beyond this seq are all in _rows
        self._head = 0  # the newest seq that was read
        self._change = 0  # deletions up to this one are heeded
        # What was drawn, and of what, the oldest first; the same by batch.
        self._frames: dict[tuple[int, str], tuple[Row, bytes]] = {}
        self._texts: dict[tuple[int, int, str], tuple[list[Row], bytes]] = {}
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
        """Give the seat back; after the last viewer the polling stops."""
        with self._changed:
            self._viewers -= 1
            self._changed.notify_all()
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
            if seq >= self._floor or (most and len(self._rows) >= most):
                start = bisect_right(self._rows, seq, key=lambda row: row.seq)
                return list(islice(self._rows, start, None))
        return self._page(seq)

    def _page(self, seq: int) -> list[Row]:
        """Give the next rows beyond ``seq`` from the store, asked once for all who fell behind together."""
        with self._asking:
            rows = self._pages.get(seq)
            if rows is None:
                rows = self._recent(after=seq, limit=PAGE)
                if len(rows) == PAGE:  # nothing will ever be added to it
                    self._pages[seq] = rows
                _shorten(self._pages, KEPT_PAGES)
        return rows

    def text(self, rows: list[Row], form: str, draw: Callable[[Row], str]) -> bytes:
        """Give the frames of these rows in this ``form`` (``json``, ``html``), drawn once for all viewers."""
        key = (rows[0].seq, rows[-1].seq, form)
        with self._drawing:  # all viewers wake at once: the first one draws, the others wait for it
            known = self._texts.get(key)
            if known is None or known[0] != rows:  # a deletion may have taken one from between
                known = self._texts[key] = (rows, b"".join([self._frame(row, form, draw) for row in rows]))
                _shorten(self._texts, KEPT_TEXTS)
        return known[1]

    def frame(self, row: Row, form: str, draw: Callable[[Row], str]) -> bytes:
        """Give one row's frame."""
        with self._drawing:
            return self._frame(row, form, draw)

    def _frame(self, row: Row, form: str, draw: Callable[[Row], str]) -> bytes:
        key = (row.seq, form)
        known = self._frames.get(key)
        if known is None or known[0] != row:  # a deletion may have taken an id out of it
            known = self._frames[key] = (row, _frame(row.seq, draw(row)).encode())
            _shorten(self._frames, KEPT)
        return known[1]

    def _heed(self, deletions: tuple[int, bool]) -> int:
        """Let go of all that was read, if somebody was deleted since; give the number of the last change."""
        change, is_deleted = deletions
        if is_deleted:
            with self._changed:
                self._rows.clear()
                self._floor = self._head
            with self._asking:  # who is reading a page just now puts it in its place first
                self._pages.clear()
            with self._drawing:
                self._frames.clear()
                self._texts.clear()
        return change

    def _start(self) -> None:
        self._change, _ = self._deletions(self._change)
        newest = self._recent(limit=1)
        self._rows.clear()
        self._pages.clear()
        self._head = self._floor = newest[0].seq if newest else 0
        self._poller = threading.Thread(target=self._poll, name="beknown-live", daemon=True)
        self._poller.start()

    def _poll(self) -> None:
        try:
            while self._goes_on():
                began = time.monotonic()
                # In this order: of what is read after it, those who were deleted before it are no part. Only here the
                # number moves on, so that what this thread read before a deletion goes the next time at the latest.
                self._change = self._heed(self._deletions(self._change))
                rows = self._news()
                if rows:
                    self._add(rows)
                if len(rows) < KEPT:
                    spent = time.monotonic() - began  # waking them takes its time
                    time.sleep(max(POLL_SECONDS, POLL_PER_VIEWER * self._viewers - spent))
        except Exception:  # the threshold of this thread: what the store may raise is the store's affair
            log.exception("The live view could not read the store. Viewers come back and start it anew.")
        finally:  # whatever ended it, no viewer may wait for ever
            with self._changed:
                if self._poller is threading.current_thread():
                    self._poller = None
                self._changed.notify_all()

    def _news(self) -> list[Row]:
        """Give what is new, page by page: viewers wake once for all of it, however fast it comes."""
        rows = page = self._recent(after=self._head, limit=PAGE)
        while len(page) == PAGE and len(rows) < KEPT:
            page = self._recent(after=rows[-1].seq, limit=PAGE)
            rows = rows + page
        return rows

    def _goes_on(self) -> bool:
        with self._changed:
            goes_on = self._viewers > 0 and not self._is_stopping()
            if not goes_on:
                self._poller = None  # in one step with the question, so that a new viewer starts a new one
            return goes_on

    def _add(self, rows: list[Row]) -> None:
        with self._changed:
            self._rows.extend(rows)
            self._head = rows[-1].seq
            while len(self._rows) > KEPT:
                self._floor = self._rows.popleft().seq
        for _ in range(0, self._viewers, FLOCK):
            with self._changed:
                self._changed.notify(FLOCK)
            time.sleep(FLOCK_SECONDS)


def _shorten(kept: dict[Any, Any], most: int) -> None:
    """Forget the oldest until ``most`` are left."""
    while len(kept) > most:
        del kept[next(iter(kept))]


def matches(row: Row, query: str) -> bool:
    """Tell whether a row's event, person, id or page contains the text, whatever its case."""
    if not query:
        return True
    texts = (row.event, label(row.event), row.person.name, row.distinct_id, place(row.properties))
    return any(query.casefold() in text.casefold() for text in texts)


def frames(feed: Feed, after: int, query: str, *, form: str, draw: Callable[[Row], str]) -> Iterator[bytes]:
    """Give the stream's text for one viewer: a frame per row that matches, its ``id`` the row's seq.

    A row that does not match still moves the place on, so that coming back does not search it again.
    """
    yield b": beknown\nretry: 1000\n\n"
    ends = time.monotonic() + STREAM_SECONDS
    most = ON_PAGE if form == "html" and not query else None
    while time.monotonic() < ends:
        rows = feed.after(after, wait_seconds=HEARTBEAT_SECONDS, most=most)
        if rows is None:
            return
        if not rows:
            yield b": still here\n\n"
            continue
        after = rows[-1].seq
        if query:
            rows = [row for row in rows if matches(row, query)]
        if form == "html":
            rows = rows[-ON_PAGE:]
        if not query:
            yield feed.text(rows, form, draw)
        else:
            yield b"".join([feed.frame(row, form, draw) for row in rows]) or b"id: %d\n\n" % after


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
