"""Forwarding: what was accepted here goes on to another collector on PostHog's wire, each event at least once.

    stored events, by arrival -> Delivery (the client's own queue and patience) -> POST /batch/ -> the cursor moves

Rules:
- The store's events are the outbox, and the cursor in the store is what was acknowledged: a crash at any moment
  resumes there. Uuids are kept, so a collector that has an event already knows it again.
- Nothing is read ahead: each request holds what the store holds when it begins, so whoever has been deleted while
  events waited does not go on.
- One process forwards a project at a time (a lease), one request at a time, in the order of arrival: an ``$identify``
  never overtakes what came before it.
- Waits are the client's (retry.py): growing, at most five minutes, at least what Retry-After asks for. An event that
  the collector calls unusable is dropped alone, with a warning; a wrong key or address is waited for, with one too.
- Leases are told by the wall clock, which other processes share; waits by one that does not jump.
- No project is in another's way, and nothing ends the thread: what fails is tried again.
- Nothing of this is in the way of those who send to us: it reads what is stored, in a thread of its own.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from random import random

import httpx
import orjson
from beknown import retry
from beknown.answer import Answer, answer_of
from beknown.channel import monotonic_ms
from beknown.delivery import MAX_REQUEST_BYTES, Delivery
from beknown.request import zipped
from beknown.wire import body, iso

from .errors import Misconfigured, TooBusy
from .settings import Settings
from .store import Project, Row, Store

BATCH = 200  # events in a request
POLL_S = 0.5  # between looks at a store that had nothing new
TIMEOUT_S = 8.0  # for a whole request, from its connection to its answer
LEASE_MS = 20_000  # a request begins in its first half, and is over in that; after a crash another waits this long
FIX = "See --forward and --forward-key: is it a PostHog-compatible collector, and is the key one of its project's?"

log = logging.getLogger("beknown.forward")
Post = Callable[[str, list[str]], Answer]


class Line:
    """One project's way to the collector: its lease, its place and its patience."""

    def __init__(
        self,
        store: Store,
        project: Project,
        collector: str,
        key: str,
        holder: str,
        ticks: Callable[[], float] = monotonic_ms,
    ) -> None:
        self.project = project  # as last read: its write key may change
        self._store = store
        self._collector = collector
        self._key = key
        self._holder = holder
        self._ticks = ticks
        self._until = 0
        self._cursor = -1  # the last event that the collector has
        self._start_over(0)

    def _start_over(self, cursor: int) -> None:
        self._cursor = cursor
        self._delivery = Delivery(room=BATCH, room_bytes=1 << 30, batch=BATCH, linger=0)
        self._seqs: list[int] = []  # ``seq`` of what is in the delivery

    def turn(self, post: Post, now: int) -> bool:
        """Send one request if one is due; tell whether the next may be due at once. ``now`` in ms since 1970."""
        if not self._holds(now):
            return False
        due = self._delivery.wake_at()
        if due is not None and self._ticks() < due:
            return False
        self._read()
        texts = self._delivery.request(self._ticks())
        if texts is None:
            return False
        answer = post(self._key or self.project.write_key, texts)
        what, gone = self._delivery.answered(
            answer.status, self._ticks(), chance=random(), retry_after=answer.retry_after
        )
        if gone:
            self._advance(len(gone))
        self._tell(what, answer, now)
        return what in (retry.SENT, retry.DROP, retry.SPLIT)

    def release(self, now: int) -> None:
        """Let another process go on at once."""
        if self._until > now:
            self._store.lease(self.project.id, self._collector, holder=self._holder, now=now, until=0)

    def _holds(self, now: int) -> bool:
        if self._until - now > LEASE_MS // 2:
            return True
        until = now + LEASE_MS
        cursor = self._store.lease(self.project.id, self._collector, holder=self._holder, now=now, until=until)
        self._until = until if cursor is not None else 0
        if cursor is not None and cursor != self._cursor:
            self._start_over(cursor)
        return cursor is not None

    def _read(self) -> None:
        rows = self._store.recent(self.project.id, after=self._cursor, limit=BATCH, most_bytes=MAX_REQUEST_BYTES)
        self._delivery.clear()
        for row in rows:
            self._delivery.add(row.uuid, written(row))
        self._seqs = [row.seq for row in rows]

    def _advance(self, count: int) -> None:
        self._cursor = self._seqs[count - 1]
        self._store.forwarded(self.project.id, self._collector, holder=self._holder, seq=self._cursor)

    def _tell(self, what: str, answer: Answer, now: int) -> None:
        if what in (retry.DROP, retry.STOP):
            code = "forward_dropped" if what == retry.DROP else "forward_refused"
            example = f"{self._collector} answered {answer.status}: {answer.detail or 'without a word'}"
            self._store.warn(self.project.id, code, example, FIX, now)
        elif answer.skipped:
            example = f"{self._collector} could not use an event: {answer.skipped[0][1]}"
            self._store.warn(self.project.id, "forward_dropped", example, FIX, now, len(answer.skipped))
        elif what == retry.WAIT:
            log.info("%s does not take events now (%s)", self._collector, answer.status or answer.detail)


class Forwarder:
    """The thread that forwards every project's events. ``holder`` is this process's name in leases."""

    def __init__(self, store: Store, url: str, key: str, *, holder: str, clock: Callable[[], int]) -> None:
        self._store = store
        self._url = url
        self._key = key
        self._holder = holder
        self._clock = clock
        self._since = clock()
        self._lines: dict[int, Line] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="beknown-forward", daemon=True)

    def start(self) -> None:
        """Begin to forward: everything that is accepted from now on, so call it before the first request."""
        self._tried(self._find_projects)
        self._thread.start()

    def stop(self) -> None:
        """End after the request under way, and let another process go on."""
        self._stopping.set()
        self._thread.join(TIMEOUT_S + 2)

    def _run(self) -> None:
        with asyncio.Runner() as runner:  # only a task can be given a time for a request as a whole
            http = httpx.AsyncClient(timeout=None)

            def post(key: str, texts: list[str]) -> Answer:
                return runner.run(self._post(http, key, texts))

            while not self._stopping.is_set():
                if not self._round(post):
                    self._stopping.wait(POLL_S)
            runner.run(http.aclose())
        for line in self._lines.values():
            self._tried(partial(line.release, self._clock()))

    def _round(self, post: Post) -> bool:
        self._tried(self._find_projects)
        went_on = [self._tried(partial(line.turn, post, self._clock())) for line in self._lines.values()]
        return any(went_on)

    def _tried(self, step: Callable[[], object]) -> bool:
        """Take a step, which may fail, and tell what it said; the next round takes it again."""
        try:
            return bool(step())
        except TooBusy:
            return False  # those who send to us go first
        except Exception:  # the threshold of this thread: a sick database may get well
            log.exception("forwarding failed; trying again")
            return False

    def _find_projects(self) -> None:
        for project in self._store.projects():
            if project.id not in self._lines:
                self._store.begin_forwarding(project.id, self._url, since=self._since)
                self._lines[project.id] = Line(self._store, project, self._url, self._key, self._holder)
            self._lines[project.id].project = project

    async def _post(self, http: httpx.AsyncClient, key: str, texts: list[str]) -> Answer:
        """Give the answer to a request; whatever happens there is one, so that it can be asked again."""
        try:
            content, headers = zipped(body(key, texts, iso(self._clock())).encode())
            async with (
                asyncio.timeout(TIMEOUT_S),
                http.stream("POST", self._url + "/batch/", content=content, headers=headers) as response,
            ):
                with suppress(httpx.HTTPError):
                    await response.aread()
                return answer_of(response)
        except Exception as fault:
            return Answer(0, detail=repr(fault))


def written(row: Row) -> str:
    """Give a stored event as it is sent on: the same uuid, id and time; person properties stand among its own."""
    # Without an address in the event, PostHog takes the sender's, which is ours: no visitor is where this server is.
    nowhere = {} if row.properties.get("$ip") else {"$geoip_disable": True}
    event = {
        "uuid": row.uuid,
        "event": row.event,
        "distinct_id": row.distinct_id,
        "timestamp": row.time(),
        "properties": row.properties | nowhere,
    }
    return orjson.dumps(event).decode()


def checked(settings: Settings) -> None:
    """Raise Misconfigured if events cannot be forwarded to where the settings say."""
    try:
        target = httpx.URL(settings.forward)
    except httpx.InvalidURL:
        target = httpx.URL()
    if target.scheme not in ("http", "https") or not target.host:
        raise Misconfigured(f"--forward is {settings.forward!r}; write https://host of a PostHog-compatible collector.")
    if settings.collector() == settings.public_url():
        raise Misconfigured("--forward names this very server: every event would come back for ever.")
