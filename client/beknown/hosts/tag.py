"""The page has the beknown tag: the library hands its calls over, so that ids, sessions and order agree.

Rules:
- The tag is the one with our key in the page's HTML. While its script is still on its way, calls wait in the queue that
  the inline stub makes (`beknown snippet --inline`), or else here: a queue of ours under the tag's name would be taken
  for the tag by the page's own scripts.
- What waits here is handed over in the task in which the script has run, functions first: no event has left by then.
- The tag's brain decides everything; here is nothing but the handing over.
- What the tag must have an answer of runs on the page's thread: a worker's function answers later.
"""

from ..errors import BadCall
from . import arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .browser import Browser
    from .hooks import Hook

PATIENCE = 10.0  # s; an async script that is not there by then is blocked
NAP = 0.05  # s
OUT_OF_REACH = "{}() cannot reach the page's tag from a worker; call it in the page."


def dated(name: str, args: "list[Any]", ms: int) -> "list[Any]":
    """Give a call's arguments with the time at which it was made, where the call takes one: a capture()."""
    if name != "capture" or not isinstance(args[2], dict):
        return args
    return args[:2] + [{"timestamp": ms} | args[2]]


class Tag:
    """The tag on this page, loaded or about to be."""

    def __init__(self, browser: "Browser", script: "Any") -> None:
        self.browser = browser
        self.name = script.getAttribute("data-global") or "beknown"
        self._hooks: "list[Hook]" = []  # both until the script has run
        self._calls: "list[tuple[str, list[Any]]]" = []
        browser.on_load(script, lambda: self._hand_over(self._loaded()))

    def _loaded(self) -> "Any":
        """Give the tag's object once its script has run; None while there is at most a queue."""
        return self.browser.loaded(self.name)

    def take(self, name: str, args: "list[Any]") -> None:
        """Hand a call over."""
        tag, ms = self._loaded(), int(self.browser.now())
        if tag is not None:
            self._hand_over(tag)
            self.browser.apply(tag, name, args)
        elif self._calls or not self.browser.queue(self.name, [name, args, ms]):
            self._calls.append((name, dated(name, args, ms)))

    def _hand_over(self, tag: "Any") -> None:
        while tag is not None and self._hooks:
            self.browser.hand(tag, *self._hooks.pop(0))
        while tag is not None and self._calls:
            self.browser.apply(tag, *self._calls.pop(0))

    def opt_in(self) -> None:
        """The visitor says yes."""
        self.take("opt_in", [])

    def opt_out(self) -> None:
        """The visitor says no."""
        self.take("opt_out", [])

    def consent(self) -> str:
        """Give what holds now; "" while the tag loads."""
        tag = self._loaded()
        return "" if tag is None else str(self.browser.apply(tag, "consent", []))

    def hook(self, method: str, names: "list[str]", function: "Callable[[Any], Any]") -> None:
        """Hand a function of the page's over, now or when the tag has loaded."""
        if method == "before_send" and self.browser.in_worker:  # the tag would be given a promise, and drop the event
            raise BadCall(OUT_OF_REACH.format(method))

        def told(detail: "Any") -> "Any":
            answer = function(detail)
            return arguments.event(answer, self._warn) if method == "before_send" else None

        self._hooks.append((method, names, told))
        self._hand_over(self._loaded())

    def _warn(self, text: str) -> None:
        self.browser.say("warn", text)

    def identity(self) -> "dict[str, Any]":
        """Give ``distinct_id device session`` as the tag knows them; empty texts while it loads."""
        tag = self._loaded()
        if tag is None:
            return {"distinct_id": "", "device": "", "session": ""}
        return {
            "distinct_id": self.browser.apply(tag, "get_distinct_id", []),
            "device": self.browser.apply(tag, "get_device_id", []),
            "session": self.browser.apply(tag, "get_session_id", []),
        }

    async def ready(self) -> None:
        """Wait until the tag has loaded, or was blocked."""
        waited = 0.0
        while self._loaded() is None and waited < PATIENCE:
            await self.browser.sleep(NAP)
            waited += NAP

    async def flush(self) -> None:
        """Wait until the tag has delivered everything so far, or was blocked."""
        await self.ready()
        tag = self._loaded()
        if tag is None:
            self.browser.say("warn", "The tag's script has not loaded; calls wait for it in the page.")
        else:
            await self.browser.apply(tag, "flush", [])
