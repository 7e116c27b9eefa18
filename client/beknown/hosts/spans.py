"""What lasts: properties for the length of a block, and the time that a function takes.

Rules:
- A block's properties belong to the task that entered it: what runs meanwhile does not see them. (contextvars would
  hand them on to tasks begun inside; MicroPython has none, and both are to agree.)
- A coroutine is one call from its first step to its last; so is a generator, which MicroPython's coroutines are.
- A task, a future, a promise is given on as it is: the page may cancel it or ask whether it is done. It is one call
  until it is done, as far as it tells: MicroPython's tasks do not. One that fails and that nobody awaits is still told
  of by asyncio; a promise that we listen to is not, by JavaScript's rules.
- PyScript's ``@when`` looks at what it is given: whether it is ``async``, and whether it takes the event. What is
  captured must look like what it stands for; MicroPython's functions take no attributes that would say so.
"""

import asyncio
import functools
import inspect
import sys
import time

from . import foreign

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator
    from typing import Any

    Bag = dict[str, Any]

IS_MICROPYTHON = sys.implementation.name == "micropython"
NOTHING = object()  # no argument


def current_task() -> "Any":
    """Give the asyncio task that runs now; None outside of any."""
    try:
        return asyncio.current_task()
    except RuntimeError:  # no loop, or no task
        return None


def named(function: "Any") -> str:
    """Give a function's name; "" where nothing tells it, as of some of MicroPython's."""
    name = getattr(function, "__name__", "") or repr(function).partition("<function ")[2].partition(" ")[0]
    return str(name).replace("<lambda>", "")


def milliseconds() -> float:
    """Give a clock that only ever runs forward where there is one."""
    return time.perf_counter() * 1000 if hasattr(time, "perf_counter") else time.time() * 1000


def _nothing() -> "Any":
    yield


GENERATOR = type(_nothing())  # MicroPython has no types module


class JsException(Exception):
    """What awaiting a rejected promise raises, by its name."""


class Scope:
    """Properties for the length of a ``with`` block."""

    def __init__(self, scopes: "list[tuple[Any, Bag]]", properties: "Bag") -> None:
        self._scopes = scopes
        self._properties = properties

    def __enter__(self) -> None:
        self._mine = (current_task(), self._properties)
        self._scopes.append(self._mine)

    def __exit__(self, *_: object) -> None:
        for place, each in enumerate(self._scopes):
            if each is self._mine:
                del self._scopes[place]
                return


def scoped(scopes: "list[tuple[Any, Bag]]") -> "Bag":
    """Give the properties of the blocks that the running task is in."""
    found: "Bag" = {}
    task = current_task() if scopes else None
    for owner, bag in scopes:
        if owner is task:
            found.update(bag)
    return found


class Stopwatch:
    """One call of a captured function; ``capture`` is called at its end with what there is to say of it."""

    def __init__(self, capture: "Callable[[Bag], None]") -> None:
        self._capture = capture
        self._began = milliseconds()

    def __enter__(self) -> None:
        self._began = milliseconds()

    def __exit__(self, kind: "Any", error: "Any", trace: "Any") -> None:
        self.stop(kind)

    def stop(self, kind: "type[BaseException] | None" = None) -> None:
        """Capture the event; ``kind`` is the type of what was raised."""
        about: "Bag" = {"duration_ms": round(milliseconds() - self._began, 1)}
        if kind is not None and kind is not GeneratorExit:  # whoever has enough of a generator closes it
            about["exception"] = kind.__name__
        self._capture(about)


def _generator(watch: Stopwatch, inner: "Generator[Any, Any, Any]") -> "Generator[Any, Any, Any]":
    """Go through a generator, or a coroutine of MicroPython's."""
    with watch:
        return (yield from inner)


async def _coroutine(watch: Stopwatch, inner: "Any") -> "Any":
    with watch:
        return await inner


async def _async_generator(watch: Stopwatch, inner: "AsyncIterator[Any]") -> "AsyncIterator[Any]":
    with watch:
        async for each in inner:
            yield each


def _lasting(result: "Any") -> "Callable[[Stopwatch, Any], Any] | None":
    """Give what goes through a function's result, where that is the call still to be made."""
    if isinstance(result, GENERATOR):
        return _generator
    if hasattr(result, "asend"):
        return _async_generator
    return _coroutine if hasattr(result, "__await__") and hasattr(result, "send") else None


def _outlives(watch: Stopwatch, result: "Any") -> bool:
    """Stop a call's watch when what it gave is done; tell whether that can be told."""

    def done(future: "Any") -> None:
        error = getattr(future, "_exception", None)  # exception() would keep asyncio from telling that nobody awaits it
        was_cancelled = getattr(future, "cancelled", bool)()
        watch.stop(asyncio.CancelledError if was_cancelled else type(error) if error else None)

    def settled(is_kept: bool) -> None:
        watch.stop(None if is_kept else JsException)

    if foreign.is_promise(result):
        foreign.when_settled(result, settled)
    elif hasattr(result, "__await__") and hasattr(result, "add_done_callback"):
        result.add_done_callback(done)
    else:
        return False
    return True


def timed(function: "Callable[..., Any]", capture: "Callable[[Bag], None]") -> "Callable[..., Any]":
    """Give the function that does the same and captures an event at the end of each call."""

    def measured(*args: "Any", **named: "Any") -> "Any":
        watch = Stopwatch(capture)
        try:
            result = function(*args, **named)
        except BaseException as error:
            watch.stop(type(error))
            raise
        lasting = None if foreign.is_promise(result) else _lasting(result)
        if lasting is not None:
            return lasting(watch, result)
        if not _outlives(watch, result):
            watch.stop()
        return result

    return _like_on_micropython(function, measured) if IS_MICROPYTHON else _like(function, measured)


def _like(function: "Callable[..., Any]", measured: "Callable[..., Any]") -> "Callable[..., Any]":
    """Make a function look like the one that it stands for."""

    async def awaited(*args: "Any", **named: "Any") -> "Any":
        return await measured(*args, **named)

    return functools.wraps(function)(awaited if inspect.iscoroutinefunction(function) else measured)


def _like_on_micropython(function: "Callable[..., Any]", measured: "Callable[..., Any]") -> "Callable[..., Any]":
    """Make one by the way it is written, which is all that shows: a generator or not, and with an argument or not."""

    def one(first: "Any" = NOTHING, *args: "Any", **named: "Any") -> "Any":
        return measured(*args, **named) if first is NOTHING else measured(first, *args, **named)

    def stepped(*args: "Any", **named: "Any") -> "Any":
        return (yield from measured(*args, **named))

    def stepped_one(first: "Any" = NOTHING, *args: "Any", **named: "Any") -> "Any":
        return (yield from one(first, *args, **named))

    try:
        takes_any = bool(inspect.signature(function).parameters)
    except (NotImplementedError, TypeError):  # a bound method, an object that can be called
        takes_any = True
    # Of a closure and a bound method only the text tells (PyScript's is_awaitable() reads it as well).
    if inspect.isgeneratorfunction(function) or "<generator>" in repr(function):
        return stepped_one if takes_any else stepped
    return one if takes_any else measured
