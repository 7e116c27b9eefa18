"""The writer: one thread per process that commits for everybody (group commit).

Rules:
- Whoever has something to write waits until the transaction that holds it is committed. No answer before that.
- All that waits goes into one transaction: a disk flush costs the same for one event and for a thousand. And what is
  of one kind and one project is done by one call: so do a question of the database for one event and for a hundred.
- If a transaction fails, each piece of work is tried alone, so that one bad piece takes nobody with it.
- When too much waits, more is refused at once (TooBusy): a queue that only grows helps nobody.
- Those whose work is done are woken one by one, each by the one before it. All at once, they would stand in line for
  the interpreter, and whoever stands there wakes up every 5 ms to ask for it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import groupby, zip_longest
from typing import Any, Protocol, TypeVar

from ..errors import Refusal, TooBusy

MOST_WAITING = 50_000  # events; at about 1 KB each this is 50 MB of memory at worst
MOST_IN_ONE = 5_000  # events in one transaction, so that the first in it does not wait for long
LAST = 2**63  # the order of what is done at the end of a transaction, whatever the projects' numbers
PATIENCE_S = 30.0  # after this a caller gives up; what it sent may still be stored, and its retry is recognised

T = TypeVar("T")
Item = TypeVar("Item")
log = logging.getLogger("beknown.store")


class Connection(Protocol):
    """What sqlite.py and postgres.py give: see SqliteConnection."""

    def all(self, name: str, /, **values: Any) -> list[Any]: ...
    def many(self, name: str, rows: Any) -> list[Any]: ...
    def begin(self) -> None: ...
    def lock(self, project_id: int) -> None: ...
    def commit(self) -> None: ...
    def rollback(self) -> None: ...
    def close(self) -> None: ...


class Job:
    """One piece of work, its weight in events, and where its outcome is awaited.

    ``work`` is called with the items of all jobs that stand together with the same work and order, and answers in
    their order.
    """

    __slots__ = ("_done", "after", "answered", "awaited", "error", "item", "order", "result", "weight", "work")

    def __init__(self, work: Callable[[Connection, list[Any]], Sequence[Any]], item: Any, weight: int, order: int):
        self.work, self.item, self.weight, self.order = work, item, weight, order
        self.result: Any = None
        self.error: Exception | None = None
        self.awaited, self.answered = True, False
        self.after: Job | None = None  # whom to wake next
        # A bare lock, held until it is done: an Event or a Future costs ten times as much, and this is per request.
        self._done = threading.Lock()
        self._done.acquire()

    def wake(self) -> None:
        """Let whoever waits for this go on."""
        self._done.release()

    def wait(self, patience: float) -> bool:
        """Wait until woken, and wake the next; tell whether it came to that within ``patience`` seconds."""
        if not self._done.acquire(timeout=patience):
            return False
        if self.after is not None:
            self.after.wake()
        return True


class Writer:
    """Takes work from any thread and commits it in groups, in a thread of its own."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._connection: Connection | None = None
        self._jobs: deque[Job] = deque()
        self._waiting = 0
        self._changed = threading.Condition()
        self._closing = False
        self.committed: Callable[[float, int], None] = lambda seconds, waiting: None  # told of each commit
        self._thread = threading.Thread(target=self._serve, name="beknown-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Give how many events wait to be committed."""
        return self._waiting

    def run(self, work: Callable[[Connection], T], *, order: int = 0, alone: bool = False) -> T:
        """Give what ``work`` answers, once it is committed. ``order``: the project that it will lock, if any.

        ``alone``: nothing else is in the same transaction, not even what weighs nothing. Raises TooBusy if too much
        waits already or the database stays locked, and whatever ``work`` raises.
        """
        return self.run_among(_alone(work), None, order=order, weight=MOST_IN_ONE + 1 if alone else 1)

    def run_among(
        self, work: Callable[[Connection, list[Item]], Sequence[T]], item: Item, *, weight: int = 1, order: int = 0
    ) -> T:
        """Give what ``work`` answers for this item among others that wait, once it is committed.

        ``order``: the project that the work will lock (see ``_group``); ``weight`` in events. Raises as ``run`` does.
        """
        job = Job(work, item, weight, order)
        with self._changed:
            if self._closing:
                raise TooBusy("stopping", "the server is stopping.", fix="Send it again.")
            if self._waiting + weight > MOST_WAITING and self._jobs:
                raise TooBusy("queue_full", f"{self._waiting} events wait to be stored.", fix="Send it again later.")
            self._jobs.append(job)
            self._waiting += weight
            self._changed.notify()
        if not job.wait(PATIENCE_S):
            self._give_up(job)
        if job.error is not None:
            raise job.error
        result: T = job.result
        return result

    def _give_up(self, job: Job) -> None:
        with self._changed:
            if not job.answered:
                job.awaited = False
                raise TooBusy("store_slow", f"the store did not answer within {PATIENCE_S:.0f} s.")
        job.wait(-1)  # answered in this very moment: the one before it is about to wake it

    def later(self, work: Callable[[Connection], Any]) -> None:
        """Have ``work`` done at the end of the next group; nobody waits for it."""
        with self._changed:
            if not self._closing:
                job = Job(_alone(work), None, 0, LAST)
                job.awaited = False
                self._jobs.append(job)
                self._changed.notify()

    def close(self) -> None:
        """Commit what waits, then stop."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _serve(self) -> None:
        while group := self._group():
            try:
                self._run_together(group)
            except Exception as error:  # the threshold of this thread: every waiting caller gets an answer
                self._run_alone(group, error)
        if self._connection is not None:
            self._connection.close()

    def _group(self) -> list[Job]:
        with self._changed:
            while not self._jobs and not self._closing:
                self._changed.wait()
            group: list[Job] = []
            weight = 0
            while self._jobs and (not group or weight + self._jobs[0].weight <= MOST_IN_ONE):
                group.append(self._jobs.popleft())
                weight += group[-1].weight
            self._waiting -= weight
        # Projects are locked in the same order by everybody, else two processes could wait for each other.
        group.sort(key=lambda job: job.order)
        return group

    def _run_together(self, group: list[Job]) -> None:
        connection = self._open()
        results: list[Any] = []
        try:
            connection.begin()
            for (work, _), jobs in groupby(group, key=lambda job: (job.work, job.order)):
                results += work(connection, [job.item for job in jobs])
            started = time.monotonic()
            connection.commit()
            self.committed(time.monotonic() - started, self._waiting)
        except BaseException:
            self._abandon()
            raise
        for job, result in zip(group, results, strict=True):
            job.result = result
        self._answer(group)

    def _run_alone(self, group: list[Job], error: Exception) -> None:
        if len(group) == 1 or isinstance(error, TooBusy):
            if not isinstance(error, Refusal):  # those are answers, with their reason
                log.error("work on the store failed", exc_info=error)
            for job in group:
                job.error = error
            self._answer(group)
            return
        for job in group:
            try:
                self._run_together([job])
            except Exception as own:
                self._run_alone([job], own)

    def _answer(self, group: list[Job]) -> None:
        with self._changed:  # from here on nobody gives up
            waiting = [job for job in group if job.awaited]
            for job, after in zip_longest(waiting, waiting[1:]):
                job.answered, job.after = True, after
        if waiting:
            waiting[0].wake()

    def _open(self) -> Connection:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _abandon(self) -> None:
        # A connection that cannot even roll back is of no use; the next group opens a fresh one.
        connection = self._connection
        try:
            if connection is not None:
                connection.rollback()
        except Exception:
            log.warning("the connection to the store was lost; opening another")
            self._connection = None
            if connection is not None:
                connection.close()


def _alone(work: Callable[[Connection], T]) -> Callable[[Connection, list[None]], list[T]]:
    return lambda connection, items: [work(connection) for _ in items]
