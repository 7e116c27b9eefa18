"""beknown for servers: ``Client``, with a thread of its own, and ``AsyncClient``, a task in your event loop.

    client = Client("bk_...", "https://t.example.com")
    client.capture("user-4711", "order_paid", {"total": 42})     # never waits, never raises

Rules:
- The calls are in speaker.py, the queue in channel.py, when to send what in delivery.py. Here is only the driving, on
  httpx: take a request, post it, hand the answer back, sleep until the next is due.
- An answer counts by its status, whatever became of its body. Redirects are not followed: httpx would turn the POST
  into a GET.
- A child process (gunicorn --preload) begins with an empty queue, a thread and connections of its own; what waited
  is the parent's to deliver.
- Leaving the program takes at most ``exit_timeout``; what then still waits is in the spool, or goes to ``on_error``.
  One exception: the end of a loop waits for asyncio's own threads, in which AsyncClient's names are resolved.
"""

import asyncio
import atexit
import encodings.ascii
import encodings.idna
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from types import TracebackType
from typing import Any, Self

import certifi
import httpcore
import httpx

from .answer import Answer, answer_of
from .channel import Channel, log, monotonic_ms
from .context import Visitor, identify_context, visitor, within
from .errors import BadCall, BadId, BadValue, BeknownError, NotSent
from .request import connection, packed
from .signature import is_signed, sign
from .speaker import Speaker

__all__ = [
    "AsyncClient",
    "BadCall",
    "BadId",
    "BadValue",
    "BeknownError",
    "Client",
    "NotSent",
    "Visitor",
    "identify_context",
    "is_signed",
    "sign",
    "visitor",
    "within",
]

# httpx imports these only when it sends. A program that forks in that very moment would leave its child with their
# import locks held for ever by a thread that the child does not have.
SENT_WITH = (certifi, httpcore, encodings.ascii, encodings.idna)

# The same with OpenSSL's own locks, which are held while certificates are loaded: a fork waits until that is done.
_connecting = threading.Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_connecting.acquire, after_in_parent=_connecting.release, after_in_child=_connecting.release
    )


@dataclass(eq=False, kw_only=True)
class Client(Speaker):
    """Sends from a background thread, which the first event starts. Use it from any thread; close it at the end."""

    #: Each call waits until its event is there, for at most ``timeout`` seconds. For scripts and functions.
    sync_mode: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        atexit.register(self.close)

    def _begin(self) -> None:
        super()._begin()
        # Old connections are dropped, not closed: after a fork they are the parent's, and so may be their locks.
        self._http: httpx.Client | None = None
        self._thread: threading.Thread | None = None

    def flush(self, timeout: float = 10.0) -> bool:
        """Deliver what was captured so far; tell whether that succeeded within ``timeout`` seconds."""
        with self._changed:
            is_over = self._hurry()
            is_needed = not is_over()
        if threading.current_thread() is self._thread:
            timeout = 0  # in ``on_error``: waiting for oneself has no end
        elif is_needed and not self._is_driven():
            self._drive(is_over, time.monotonic() + timeout)
            timeout = 0
        with self._changed:
            return self._changed.wait_for(is_over, timeout) and not self._is_refused

    def close(self, timeout: float | None = None) -> None:
        """Flush within ``timeout`` seconds (default: ``exit_timeout``) and end. Further events are refused."""
        if self._closed:
            return
        atexit.unregister(self.close)
        self.flush(self.exit_timeout if timeout is None else timeout)
        self._left()
        if self._http is not None:
            self._http.close()  # a request under way ends here
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(1.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _queue(self, uuid: str, text: str) -> None:
        if self.sync_mode:  # before it is queued: the answer may come at once
            self._awaited[threading.get_ident()] = text, None
        super()._queue(uuid, text)

    def _queued(self) -> NotSent | None:
        if not self.sync_mode:
            self._is_driven()
            return None
        is_delivered = self.flush(self.timeout)
        _, refusal = self._awaited.pop(threading.get_ident(), ("", None))
        if refusal is not None or is_delivered:
            return refusal
        return self._refusal or NotSent(f"{self.host} has not taken the event yet; it stays queued.")

    def _is_driven(self) -> bool:
        """Tell whether the thread runs; start it if it does not, unless the interpreter is shutting down."""
        # Whatever a collector does, or a name server, this thread alone waits for it: everybody else has a bound.
        # A daemon, so that leaving the program does not wait for it either.
        with self._changed:
            if self._thread is None or not self._thread.is_alive():
                thread = threading.Thread(target=self._drive, name="beknown", daemon=True)
                try:
                    thread.start()
                except RuntimeError as fault:  # ``close`` sends what waits
                    log.debug("no thread could be started: %s", fault)
                    return False
                self._thread = thread
        return True

    def _inherit(self, texts: list[str], disk: Any, spool: Any) -> None:
        """Take over what waits in another client, and the place where it is kept."""
        with self._changed:
            self._take_up(texts)
            self._disk, self.spool = disk, spool

    def _wake(self) -> None:
        self._changed.notify_all()

    def _drive(self, is_over: Callable[[], bool] = lambda: False, until: float | None = None) -> None:
        """Send what is due, sleep until more is, until it is over, or the time (monotonic seconds) is."""
        while (texts := self._next(is_over, until)) is not None:
            self._heard(texts, self._post(texts, until))

    def _next(self, is_over: Callable[[], bool], until: float | None) -> list[str] | None:
        with self._changed:
            while not (self._closed or is_over()):
                now = monotonic_ms()
                if (texts := self._delivery.request(now)) is not None:
                    return texts
                due = [time for time in (self._delivery.wake_at(), until and until * 1000) if time is not None]
                pause = (min(due) - now) / 1000 if due else None
                if until is not None and now >= until * 1000:
                    return None
                self._changed.wait(pause)
        return None

    def _post(self, texts: list[str], until: float | None) -> Answer:
        timeout = self.timeout if until is None else max(min(self.timeout, until - time.monotonic()), 0.1)
        answer = Answer(0)
        try:
            with _connecting:
                self._http = self._http or httpx.Client(**connection(self))
            content, headers = packed(self, texts)
            url = self.host + "/batch/"
            with self._http.stream("POST", url, content=content, headers=headers, timeout=timeout) as response:
                answer = answer_of(response)
                answer = answer_of(_whole(response, timeout))
        except Exception as fault:  # whatever the network does, the thread goes on and the events stay
            return answer if answer.status else Answer(0, detail=repr(fault))
        return answer


def _whole(response: httpx.Response, timeout: float) -> httpx.Response:
    """Give an answer with its body; raise TimeoutError if that takes more than ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    parts = []
    for part in response.iter_raw():  # not inflated: of that there may be no part for long
        parts.append(part)
        if time.monotonic() > deadline:  # httpx gives each read its own time, and each byte may be one
            raise TimeoutError
    return httpx.Response(response.status_code, headers=response.headers, content=b"".join(parts))


@dataclass(eq=False)
class AsyncClient(Speaker):
    """Sends from a task in the running event loop. Calls do not wait and may come from any thread.

    ``async with`` or ``start`` binds it to a loop; otherwise the first call made in one does.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        atexit.register(self._last)

    def _begin(self) -> None:
        super()._begin()
        self._http: httpx.AsyncClient | None = None
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._heir: Client | None = None  # delivers at the program's end, when there is no loop

    def start(self) -> None:
        """Begin to send, in the running event loop; once more, if the last one has ended."""
        if not self._is_driven():
            self._loop = asyncio.get_running_loop()
            self._due, self._answered = asyncio.Event(), asyncio.Condition()
            self._http = None  # the connections of a loop end with it
            self._task = self._loop.create_task(self._drive(), name="beknown")

    def _is_driven(self) -> bool:
        return bool(self._task and self._loop and not self._task.done() and not self._loop.is_closed())

    async def flush(self, timeout: float = 10.0) -> bool:
        """Deliver what was captured so far; tell whether that succeeded within ``timeout`` seconds."""
        self.start()
        with self._changed:
            is_over = self._hurry()
        try:
            async with asyncio.timeout(timeout), self._answered:
                await self._answered.wait_for(is_over)
        except TimeoutError:
            return False
        return not self._is_refused

    async def close(self, timeout: float | None = None) -> None:
        """Flush within ``timeout`` seconds (default: ``exit_timeout``) and end. Further events are refused."""
        if self._closed:
            return
        await self.flush(self.exit_timeout if timeout is None else timeout)
        atexit.unregister(self._last)  # only now: who waits for us may be cancelled, and what waits is still ours
        self._left()
        if self._heir is not None:
            self._heir.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._http is not None:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _last(self) -> None:
        """At the program's end there is no loop: let the heir deliver what nobody has waited for."""
        if self._heir is not None:
            with self._changed:
                self._closed = True
                texts = self._delivery.waiting()
                disk, self._disk = self._disk, None
            self._heir._inherit(texts, disk, self.spool)
            self._heir.close()

    def _prepare(self) -> None:
        with self._changed:
            if self._heir is None:
                alike = {one.name: getattr(self, one.name) for one in fields(Channel)}
                self._heir = Client(**alike | {"spool": None})
                atexit.unregister(self._heir.close)
                self._heir._is_driven()  # and sleeps until the end: from Python 3.12 on no thread can be started then

    def _queued(self) -> NotSent | None:
        self._prepare()
        if not self._is_driven():
            try:
                self.start()
            except RuntimeError:
                log.debug("no event loop runs in this thread; events wait for start()")
        return None

    def _wake(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._due.set)

    async def _drive(self) -> None:
        while not self._closed:
            self._due.clear()
            with self._changed:
                now = monotonic_ms()
                texts = self._delivery.request(now)
                wake = self._delivery.wake_at()
            if texts is None:
                await self._sleep(None if wake is None else (wake - now) / 1000)
                continue
            try:
                answer = await self._post(texts)
            except asyncio.CancelledError:  # the loop ends: whoever drives next sends them again
                self._heard(texts, Answer(0, detail="cancelled"))
                raise
            self._heard(texts, answer)
            async with self._answered:
                self._answered.notify_all()

    async def _sleep(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._due.wait()
        except TimeoutError:
            pass

    async def _post(self, texts: list[str]) -> Answer:
        answer = Answer(0)
        try:
            with _connecting:
                self._http = self._http or httpx.AsyncClient(**connection(self))
            content, headers = packed(self, texts)
            url = self.host + "/batch/"
            async with (
                asyncio.timeout(self.timeout),  # httpx counts each phase of its own, and each byte
                self._http.stream("POST", url, content=content, headers=headers) as response,
            ):
                answer = answer_of(response)
                await response.aread()
                answer = answer_of(response)
        except Exception as fault:  # whatever the network does, the task goes on and the events stay
            return answer if answer.status else Answer(0, detail=repr(fault))
        return answer
