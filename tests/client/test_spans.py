"""What lasts, on a real loop of asyncio's: tasks are themselves, and each has its own blocks of properties."""

import asyncio

from beknown.hosts.library import Library
from beknown.hosts.spans import timed

from ..backend.conftest import in_a_loop
from .test_page import KEY, Visit


def test_a_captured_function_gives_the_very_task_that_it_began() -> None:
    said: list[dict[str, object]] = []

    async def fails() -> None:
        raise KeyError("x")

    async def run() -> None:
        async def work() -> int:
            await asyncio.sleep(0.02)
            return 7

        task = asyncio.ensure_future(work())
        assert timed(lambda: task, said.append)() is task
        assert said == []
        assert await task == 7
        endless = asyncio.ensure_future(asyncio.sleep(60))
        timed(lambda: endless, said.append)().cancel()
        lost = asyncio.ensure_future(fails())
        timed(lambda: lost, said.append)()
        await asyncio.wait([endless, lost])
        assert lost._log_traceback  # type: ignore[attr-defined]  # asyncio still tells that nobody has awaited it
        lost.exception()

    in_a_loop(run())
    assert float(str(said[0]["duration_ms"])) >= 15
    assert sorted(str(each.get("exception")) for each in said) == ["CancelledError", "KeyError", "None"]


def test_each_task_has_its_own_blocks() -> None:
    visit = Visit()
    python = Library(lambda: visit)  # type: ignore[arg-type,return-value]
    python.init(KEY, api="https://t.example.com", pageviews="off")

    async def one(step: str) -> None:
        with python.properties(step=step):
            await asyncio.sleep(0)
            python.capture(step)
            await asyncio.sleep(0)

    async def run() -> None:
        await asyncio.gather(one("a"), one("b"))
        python.capture("none")

    in_a_loop(run())
    visit.settle()
    assert [event["properties"].get("step") for event in visit.sent] == ["a", "b", None]
