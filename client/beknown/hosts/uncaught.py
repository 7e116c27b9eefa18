"""Where a Python exception shows that nobody caught: the three places in which browsers, asyncio and PyScript tell.

Rules:
- This Python's own global tells of timers and promises, its loop of tasks. What a worker's handlers of the page's
  events raise shows in neither: PyScript hands it to the page, as the rejection of a promise.
- What PyScript or a notebook catches and shows by itself (the top level of a script or cell) is not seen.
- Nothing is raised from in here: it would come back as the next such event.
"""

import asyncio
import io
import json
import sys

from ..failure import BEGINNINGS
from .lifecycle import listen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

IS_MICROPYTHON = sys.implementation.name == "micropython"
IN_BROWSER = sys.platform in ("emscripten", "webassembly")
if not IS_MICROPYTHON:
    import traceback
if IN_BROWSER:
    import js  # type: ignore[import-not-found]

    if IS_MICROPYTHON:
        from jsffi import create_proxy  # type: ignore[import-not-found]
    else:
        from pyodide.ffi import create_proxy  # type: ignore[import-not-found]


def watch(window: "Any", told: "Callable[[str], None]") -> None:
    """Hand on the traceback of each such exception. ``window``: the page's, as far as this Python sees it, or None."""

    def failed(event: "Any") -> None:
        reason = getattr(event, "error", None) or getattr(event, "reason", None)
        if reason and str(getattr(reason, "name", "")) == "PythonError":
            told(str(reason.message))

    loop = asyncio.get_event_loop()
    before = loop.get_exception_handler()  # the page's own goes on

    def in_task(loop: "Any", context: "dict[str, Any]") -> None:
        if "exception" in context:
            told(traceback_of(context["exception"]))
        if before is not None:
            before(loop, context)
        elif IS_MICROPYTHON:  # whose loop is a class
            loop.default_exception_handler(loop, context)
        else:
            loop.default_exception_handler(context)

    mark = json.dumps({"value": str(js.Math.random())})

    def handed_on(event: "Any") -> None:
        reason = event.reason
        text = str(reason.message)
        if not text.startswith(BEGINNINGS) or str(reason.name) != "Error":
            return  # a copy's name is lost; "PythonError" is what the page's own Python raised
        # Of several workers that listen the first marks it; with another value that fails.
        if window.Reflect.defineProperty(reason, "beknown", window.JSON.parse(mark)):
            told(text)

    if hasattr(js, "addEventListener"):  # a kernel in Node has none
        listen(js.globalThis, "error", _walled(failed))
        listen(js.globalThis, "unhandledrejection", _walled(failed))
    if window is not None and window is not js:
        window.addEventListener("unhandledrejection", _walled(handed_on))
    loop.set_exception_handler(in_task)


def _walled(function: "Callable[[Any], None]") -> "Any":
    def walled(happened: "Any") -> None:
        try:
            function(happened)
        except Exception:  # a reason that is no error
            pass

    return create_proxy(walled)


def traceback_of(error: BaseException) -> str:
    """Give an exception's traceback as text, as the interpreter prints it."""
    text = io.StringIO()
    if hasattr(sys, "print_exception"):  # MicroPython
        sys.print_exception(error, text)
    else:
        traceback.print_exception(error, file=text)
    return text.getvalue()
