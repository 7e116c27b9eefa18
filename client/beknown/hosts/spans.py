"""What lasts: properties for the length of a block, and the time that a function takes.

Rules:
- A block's properties belong to the task that entered it: what runs meanwhile does not see them. (contextvars would
  hand them on to tasks begun inside; MicroPython has none, and both are to agree.)
- A coroutine is one call from its first step to its last; so is a generator, which MicroPython's coroutines are.
"""

import time

from .browser import current_task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Bag = dict[str, Any]


def milliseconds() -> float:
    """Give a clock that only ever runs forward where there is one."""
    return time.perf_counter() * 1000 if hasattr(time, "perf_counter") else time.time() * 1000


def _nothing() -> "Any":
    yield


GENERATOR = type(_nothing())  # MicroPython has no types module


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


class Stopwatch:
    """One call of a captured function."""

    def __init__(self, capture: "Callable[[str, Bag], None]", event: str, properties: "Bag | None") -> None:
        self._capture = capture
        self._event = event
        self._properties = properties
        self._began = milliseconds()

    def run(self, work: "Callable[[], Any]") -> "Any":
        """Do some work; if it raises, that is the end of the call."""
        try:
            return work()
        except Exception as error:
            self.stop(error)
            raise

    def stop(self, error: "Exception | None" = None) -> None:
        """Capture the event."""
        about: "Bag" = {"duration_ms": round(milliseconds() - self._began, 1)}
        about.update(self._properties or {})
        if error is not None:
            about["exception"] = type(error).__name__
        self._capture(self._event, about)

    def generator(self, inner: "Any") -> "Any":
        """Go through a generator, or a coroutine of MicroPython's."""
        try:
            result = yield from inner
        except Exception as error:
            self.stop(error)
            raise
        self.stop()
        return result

    async def coroutine(self, inner: "Any") -> "Any":
        """Await a coroutine."""
        try:
            result = await inner
        except Exception as error:
            self.stop(error)
            raise
        self.stop()
        return result


def timed(
    function: "Callable[..., Any]", capture: "Callable[[str, Bag], None]", event: str, properties: "Bag | None"
) -> "Callable[..., Any]":
    """Give the function that does the same and captures an event at the end of each call."""

    def measured(*args: "Any", **named: "Any") -> "Any":
        clock = Stopwatch(capture, event, properties)
        result = clock.run(lambda: function(*args, **named))
        if isinstance(result, GENERATOR):
            return clock.generator(result)
        if hasattr(result, "__await__"):
            return clock.coroutine(result)
        clock.stop()
        return result

    if hasattr(function, "__dict__"):  # a function of MicroPython's has no names but its own
        measured.__dict__.update(function.__dict__)
        measured.__name__, measured.__doc__ = function.__name__, function.__doc__
    return measured
