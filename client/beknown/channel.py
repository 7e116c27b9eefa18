"""The channel to one collector: how to behave, what waits, and what is told of it. Clients are made of it.

Rules:
- An event that was taken is delivered or handed to ``on_error``; with a spool it is on disk first.
- The lock (``_changed``) is never held while something of the application runs, or the network.
- No network here. Drivers (backend.py) take requests from ``_delivery`` and hand answers to ``_heard``.
"""

import json
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass
from hashlib import sha256
from pathlib import Path
from random import random
from typing import Any

from . import retry
from .answer import Answer
from .delivery import Delivery
from .errors import BadCall, BeknownError, NotSent

LOOK_MS = 10_000  # between two looks for what others have left in the spool, while events wait here

log = logging.getLogger("beknown")


def monotonic_ms() -> float:
    """Give the time that waits are measured by: the wall clock jumps."""
    return time.monotonic() * 1000


@dataclass(eq=False)
class Channel:
    """A project's write key, its collector's address, and how to behave."""

    key: str
    host: str
    _: KW_ONLY
    #: Events in a full request.
    flush_at: int = 100
    #: Seconds that an event waits for company after another request.
    flush_interval: float = 1.0
    #: Events that may wait; with this many, or with ``max_queue_bytes``, new ones are refused.
    max_queue_size: int = 10_000
    max_queue_bytes: int = 64 * 1024 * 1024
    #: Seconds to wait for an answer.
    timeout: float = 10.0
    #: Seconds that leaving the program may take for what is still waiting.
    exit_timeout: float = 5.0
    #: Seconds before the first repetition; doubles up to five minutes.
    retry_wait: float = 2.0
    gzip: bool = True
    #: A folder for events that wait, so that the next start of the program delivers what this one could not.
    spool: str | os.PathLike[str] | None = None
    #: Called with each event; gives it back, changed or not, or None to drop it.
    before_send: Callable[[dict[str, Any]], dict[str, Any] | None] | None = None
    #: Called with an error and the events that it concerns, from whatever thread.
    on_error: Callable[[BeknownError, list[dict[str, Any]]], object] | None = None
    #: Nothing is taken, checked or sent.
    disabled: bool = False
    #: Errors of a call are raised from it.
    raise_errors: bool = False

    def __post_init__(self) -> None:
        if self.disabled:  # where there is nothing to send to, nothing has to be set either
            self.key, self.host = self.key or "", self.host or ""
        elif not self.key or not isinstance(self.key, str):
            raise BadCall("a backend client needs the project's write key (bk_...), as in the site's tag.")
        elif not self.host.startswith(("http://", "https://")):
            raise BadCall(f"host must begin with http:// or https://, unlike {self.host!r}.")
        self.host = self.host.rstrip("/")
        self._disk: Any = None
        self._closed = False
        self._begin()
        if hasattr(os, "register_at_fork"):
            reborn = weakref.WeakMethod(self._begin)  # registered for ever, but does not keep the client
            os.register_at_fork(after_in_child=lambda: (method := reborn()) and method())
        self._open_spool()

    def _begin(self) -> None:
        """Start with an empty queue: at first, and in a child process, whose parent keeps what waits."""
        inherited, self._disk = self._disk, None
        self._changed = threading.Condition()
        self._said_full = False
        self._look_at = 0.0  # ms: when to see what others have left in the spool
        self._settled = 0  # events that are delivered or given up, and told of
        self._is_refused = False  # the last answer was about key or address
        self._refusal: NotSent | None = None  # the last answer's, if it was about key or address
        self._awaited: dict[int, tuple[str, NotSent | None]] = {}  # thread: the event that its call waits for, refused?
        self._delivery = Delivery(
            room=self.max_queue_size,
            room_bytes=self.max_queue_bytes,
            batch=self.flush_at,
            linger=self.flush_interval * 1000,
            first_wait=int(self.retry_wait * 1000),
        )
        if inherited is not None:
            with suppress(OSError):  # a daemon may have closed all files
                inherited.abandon()

    # Taking -------------------------------------------------------------------------------------------------

    def _queue(self, uuid: str, text: str) -> None:
        with self._changed:
            if self._closed:
                raise NotSent("the client is closed; the event was not taken. Make a new Client.")
            if self._delivery.holds(uuid):
                return
            if self._delivery.is_full(len(text)):
                raise NotSent(
                    f"the queue is full ({len(self._delivery)} events, {self._delivery.bytes} bytes wait for "
                    f"{self.host}); the event was not taken. Is the collector up? max_queue_size makes more room."
                )
            self._said_full = False
            if self.spool is not None:
                self._spool_line(text)
            self._delivery.add(uuid, text)
            due = self._delivery.wake_at()
            # Not for every event: a driver that wakes up for each takes half of this thread's time.
            if len(self._delivery) == 1 or (due is not None and due <= monotonic_ms()):
                self._wake()

    def _queued(self) -> NotSent | None:
        """See that there is a driver, now that there is something to send; give what is wrong, to a call that waits."""
        raise NotImplementedError

    def _wake(self) -> None:
        """Wake the driver; the lock is held."""
        raise NotImplementedError

    # The spool ----------------------------------------------------------------------------------------------

    def _open_spool(self) -> None:
        """Take a place in the spool's folder, and up what an earlier process left there."""
        if self.spool is None or self.disabled:
            return
        from .spool import Spool  # needs a POSIX system; all else runs on Windows too

        # The name tells projects and collectors apart, and shows no key.
        name = "beknown-" + sha256(f"{self.key}@{self.host}".encode()).hexdigest()[:12]
        with self._changed:
            self._disk = Spool(Path(self.spool), name)
            self._take_up(self._disk.waiting())
            self._adopt()
            found = len(self._delivery)
        if found:
            self._queued()

    def _hurry(self) -> Callable[[], bool]:
        """Have sent what waits now; give the question whether that is over. The lock is held."""
        target = self._delivery.taken
        self._is_refused = False
        self._delivery.hurry()
        self._wake()
        return lambda: self._settled >= target or self._is_refused

    def _adopt(self) -> None:
        """Take over what processes left that are gone, as far as there is room."""
        self._look_at = monotonic_ms() + LOOK_MS
        try:
            self._take_up(self._disk.adopt(self.max_queue_size - len(self._delivery)))
        except OSError as fault:
            log.warning("what others left in the spool in %s cannot be taken over (%s).", self.spool, fault)

    def _take_up(self, texts: list[str]) -> None:
        for text in texts:
            self._delivery.add(json.loads(text)["uuid"], text)

    def _spool_line(self, text: str) -> None:
        if self._disk is None:  # in a child process
            self._open_spool()
        try:
            self._disk.add([text])
        except OSError as fault:
            raise NotSent(f"the spool in {self.spool} cannot be written ({fault}); the event was not taken.") from fault

    # Between queue and driver -------------------------------------------------------------------------------

    def _heard(self, texts: list[str], answer: Answer) -> None:
        """Take the answer to a request that held these events; say what was lost."""
        with self._changed:
            what, gone = self._delivery.answered(
                answer.status, monotonic_ms(), chance=random(), retry_after=answer.retry_after
            )
            if gone and self._disk is not None and not self._closed:
                self._forget(len(gone))
        self._report(texts, answer, what, gone)
        with self._changed:  # only now: when flush() returns, on_error has been told
            self._settled = self._delivery.settled
            self._is_refused = self._delivery.is_refused
            self._changed.notify_all()

    def _report(self, texts: list[str], answer: Answer, what: str, gone: list[str]) -> None:
        said = f" It says: {answer.detail}" if answer.detail else ""
        self._refusal = None
        if what == retry.DROP:
            self._refused(f"{self.host} refused {len(gone)} event(s) ({answer.status}).{said}", answer, gone)
        elif what == retry.STOP:
            advice = f"{self.host} refuses this key or address ({answer.status}); mend it."
            self._refusal = self._refused(f"{advice} {len(self._delivery)} event(s) wait.{said}", answer, [])
        elif what == retry.WAIT:
            log.info("%s does not take events now (%s); trying again.%s", self.host, answer.status or "no answer", said)
        for place, reason in answer.skipped:
            self._refused(f"{self.host} could not use an event: {reason}", answer, texts[place : place + 1])

    def _refused(self, message: str, answer: Answer, texts: list[str]) -> NotSent:
        error = NotSent(message, answer.status)
        for thread, (text, _) in list(self._awaited.items()):
            if text in texts:
                self._awaited[thread] = text, error
        self._failed(error, [json.loads(text) for text in texts])
        return error

    def _forget(self, number: int) -> None:
        try:
            self._disk.settle(number)
        except OSError as fault:
            log.warning("the spool in %s cannot be written (%s); some events will be sent again.", self.spool, fault)
        if not len(self._delivery) or monotonic_ms() >= self._look_at:
            self._adopt()

    def _left(self) -> None:
        """At the end: say what could not be delivered, and where it is."""
        with self._changed:
            self._closed = True
            texts = self._delivery.waiting()
            disk, self._disk = self._disk, None
            if disk is not None:
                disk.close()
            self._changed.notify_all()
        if texts and disk is not None:
            log.warning("%d event(s) wait in %s for the next start.", len(texts), self.spool)
        elif texts:
            lost = NotSent(f"{len(texts)} event(s) could not be delivered before the end and are lost.")
            self._failed(lost, [json.loads(text) for text in texts])

    def _failed(self, error: BeknownError, events: list[dict[str, Any]]) -> None:
        full = "queue is full" in str(error)
        if not (full and self._said_full):
            log.error("%s", error)
        self._said_full = full
        if self.on_error is not None:
            try:
                self.on_error(error, events)
            except Exception:  # the application's own code; ours goes on
                log.exception("on_error failed")
