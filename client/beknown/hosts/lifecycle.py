"""The page's life as its own Python hears of it: prerendered, shown, moved within its document, left, back again.

Rules:
- Only on the page's thread: what a worker heard of its page would come too late.
- One wall: what is raised in here goes to the console, not into the page.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

IN_BROWSER = sys.platform in ("emscripten", "webassembly")
if IN_BROWSER:
    import js  # type: ignore[import-not-found]

    if sys.implementation.name == "micropython":
        from jsffi import create_proxy  # type: ignore[import-not-found]
    else:
        from pyodide.ffi import create_proxy  # type: ignore[import-not-found]

MOVES = {"push": "pushState", "replace": "replaceState"}  # all else that the Navigation API names is a way back or on


def listen(target: "Any", event: str, heard: "Any", *options: "Any") -> None:
    """Call a proxy at each such event of a target's.

    Not ``target.addEventListener``: that is one function for all targets, and MicroPython keeps one proxy of it. Once
    it was called as some object's method, the global's own no longer knows its target, and throws into the page.
    """
    js.Reflect.get(js.EventTarget.prototype, "addEventListener").call(target, event, heard, *options)


class Lifecycle:
    """What happens to one page's window; ``say`` (level, text) tells the page's author."""

    def __init__(self, window: "Any", say: "Callable[[str, str], None]") -> None:
        self._is_ours = IN_BROWSER and window is js  # not lent by PyScript, or out of reach
        self._say = say

    def listen(self, event: str, function: "Callable[[Any], None]") -> None:
        """Call a function at each such event of the window, until the page ends; in a worker at ``online`` alone, which
        its own global has as well."""
        if self._is_ours or (event == "online" and hasattr(js, "addEventListener")):  # a kernel in Node has none
            listen(js.globalThis, event, self._proxy(function))

    def on_move(self, function: "Callable[[str], None]") -> None:
        """Call a function with how the address may have changed: ``pushState``, ``replaceState`` or ``popstate``.

        Not every browser tells of what a script did (the Navigation API); to stand in its way is not Python's.
        """
        self.listen("popstate", lambda _: function("popstate"))
        if self._is_ours and hasattr(js, "navigation"):
            heard = self._proxy(lambda event: function(MOVES.get(str(event.navigationType), "popstate")))
            # From a timer: Python itself may have moved the page, and must not be called before it has gone on.
            later = js.setTimeout.bind(js.globalThis, heard, 0)
            listen(js.navigation, "currententrychange", later)

    def is_prerendered(self) -> bool:
        """Tell whether the page is only prerendered: nobody sees it yet, and maybe nobody ever will."""
        return self._is_ours and js.document.prerendering is True

    def once_shown(self, function: "Callable[[], Any]") -> None:
        """Call a function once a page that is only prerendered is shown."""
        if self.is_prerendered():
            self._once("prerenderingchange", function)

    def once_seen(self, function: "Callable[[], Any]") -> None:
        """Call a function now, or once the page is seen: it may have been opened in the background."""
        if self._is_ours and js.document.hidden is True:
            self._once("visibilitychange", function)
        else:
            function()

    def _once(self, event: str, function: "Callable[[], Any]") -> None:
        listen(js.document, event, self._proxy(lambda _: function()), js.JSON.parse('{"once": true}'))

    def _proxy(self, function: "Callable[[Any], Any]") -> "Any":
        def walled(event: "Any") -> None:
            try:
                function(event)
            except Exception as surprise:
                self._say("error", f"an event of the page was not understood: {surprise!r}")

        return create_proxy(walled)
