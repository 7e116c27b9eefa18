"""A real Chromium, started on a profile and driven over its DevTools pipe.

Why not Playwright here, though the tests use it: Playwright attaches to every worker and holds it until it has
answered, which cost a worker 5 to 20 ms on the machine this was written on. Only the page is attached to below, and
nothing is asked of it while it is being measured.
"""

import asyncio
import fcntl
import itertools
import json
import os
import signal
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync --remote-debugging-pipe""".split()
PATIENCE = 60.0  # seconds until a call of the browser counts as lost


class Chromium:
    """A browser on one profile; ``call`` sends a DevTools command to it, ``in_page`` to its only page."""

    def __init__(self, pid: int, replies: asyncio.StreamReader, commands: int) -> None:
        self._pid, self._replies, self._commands = pid, replies, commands
        self._numbers = itertools.count(1)
        self._session = ""

    @classmethod
    async def start(cls, profile: Path, *, program: str) -> "Chromium":
        """Start ``program`` on the profile's folder and attach to its first page."""
        command_end, commands = _high_pipe()
        replies, reply_end = _high_pipe()
        silence = os.open(os.devnull, os.O_RDWR)
        pid = os.posix_spawnp(
            program,
            [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, silence, 1),
                (os.POSIX_SPAWN_DUP2, silence, 2),
                (os.POSIX_SPAWN_DUP2, command_end, 3),  # --remote-debugging-pipe reads 3 and writes 4
                (os.POSIX_SPAWN_DUP2, reply_end, 4),
            ],
        )
        for end in (command_end, reply_end, silence):
            os.close(end)
        reader = asyncio.StreamReader(limit=1 << 26)
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(replies, "rb", buffering=0)
        )
        browser = cls(pid, reader, commands)
        try:
            await browser._attach()
        except BaseException:
            await browser.close()
            raise
        return browser

    async def call(self, method: str, *, session: str = "", **parameters: Any) -> dict[str, Any]:
        """Give a DevTools command's result; raise RuntimeError with the browser's words if it refuses."""
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        async with asyncio.timeout(PATIENCE):
            while (reply := json.loads((await self._replies.readuntil(b"\0"))[:-1])).get("id") != number:
                pass  # an event, or the answer to a command that was given up
        if "error" in reply:
            raise RuntimeError(f"{method}: {reply['error']['message']}")
        result: dict[str, Any] = reply["result"]
        return result

    async def in_page(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Give the result of a DevTools command sent to the page."""
        return await self.call(method, session=self._session, **parameters)

    async def evaluate(self, expression: str) -> Any:
        """Give an expression's value (a promise's: once it is settled) in the page, as plain JSON values."""
        answer = await self.in_page("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression[:80]}...: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    async def renderers(self) -> list[int]:
        """Give the process ids of this browser's renderers."""
        processes = (await self.call("SystemInfo.getProcessInfo"))["processInfo"]
        return [process["id"] for process in processes if process["type"] == "renderer"]

    async def close(self) -> None:
        """End the browser and wait until it is gone; one that does not go is killed."""
        with suppress(TimeoutError, RuntimeError, OSError, EOFError):
            await self.call("Browser.close")
        until = time.monotonic() + 10
        while not os.waitpid(self._pid, os.WNOHANG)[0]:
            if time.monotonic() > until:
                os.kill(self._pid, signal.SIGKILL)
            await asyncio.sleep(0.05)
        os.close(self._commands)

    async def _attach(self) -> None:
        async with asyncio.timeout(PATIENCE):
            while not (pages := await self._pages()):
                await asyncio.sleep(0.05)
        self._session = (await self.call("Target.attachToTarget", targetId=pages[0], flatten=True))["sessionId"]

    async def _pages(self) -> list[str]:
        targets = (await self.call("Target.getTargets"))["targetInfos"]
        return [target["targetId"] for target in targets if target["type"] == "page"]


@asynccontextmanager
async def fresh(program: str) -> AsyncIterator[Chromium]:
    """Start ``program`` on a new profile; both are gone afterwards, however that ends."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = await Chromium.start(Path(profile), program=program)
        try:
            yield browser
        finally:
            await browser.close()


@contextmanager
def slowed(processes: list[int], times: float) -> Iterator[None]:
    """Make the processes' every thread run ``times`` slower, by stopping them for that share of every 8 ms.

    DevTools' CPU throttling reaches only a page's main thread ("only supported for pages, not workers"); a visitor's
    slow phone is slow in the worker too.
    """
    over = threading.Event()

    def pulse() -> None:
        start, ran = time.monotonic(), 0.0
        while not over.is_set():
            resumed = time.monotonic()
            time.sleep(0.008 / times)
            _signal(processes, signal.SIGSTOP)
            ran += time.monotonic() - resumed
            # Sleeps overrun; pausing for what is owed in total keeps the share exact.
            time.sleep(max(0.0, start + ran * times - time.monotonic()))
            _signal(processes, signal.SIGCONT)

    thread = threading.Thread(target=pulse)
    if times > 1:
        thread.start()
    try:
        yield
    finally:
        over.set()
        if times > 1:
            thread.join()


def _signal(processes: list[int], number: signal.Signals) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, number)


def _high_pipe() -> tuple[int, int]:
    """Give a pipe whose ends are above 9, so that neither is in the way of 3 and 4 in the child."""
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return high[0], high[1]
