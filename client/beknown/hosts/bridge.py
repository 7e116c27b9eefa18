"""Python in a worker that may not see its page: the page's bridge.js hands its calls to the tag.

Rules:
- static/bridge.js is the other end, and says what goes over the line.
- A worker without a name has none (bridge.js names those of its page that have none). One with a name may have it,
  which shows when the page answers. Until then calls and the worker's own functions wait here, in order.
- Without an answer memory keeps a visitor of our own until the worker ends, and the console says so.
"""

import json

from ..errors import BadCall
from .page import Page
from .tag import OUT_OF_REACH, dated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .browser import Browser
    from .hooks import Hook

PATIENCE = 20.0  # s; a page with bridge.js answers, once its thread is free: Pyodide's start blocks a phone's for 10 s
LONGEST = 10.0  # s; a tag's script that is not there by then is blocked
NAP = 0.05  # s
NOBODY = ["", "", ""]
CHOICES = ("opt_in", "opt_out")
ALONE = (
    "This worker sees neither cookies nor localStorage: the visitor is new whenever it starts. Put the tag and "
    "bridge.js on the page (`beknown snippet --pyscript` prints them), or serve it with COOP and COEP headers."
)
NO_ADDRESS = (
    "beknown.init() in this worker found no page with the tag and bridge.js, and has no address to send to; calls are "
    'dropped. Pass it: beknown.init("bk_...", api="https://t.example.com").'
)


class Bridge:
    """The page's tag, by way of messages; or, where there is none, a page of our own without storage."""

    def __init__(self, browser: "Browser", key: str, alone: "Callable[[], Page] | None") -> None:
        self.browser = browser
        self._key = key
        self._alone = alone
        self._hooks: "list[Hook]" = []  # until it is known whether they can be used
        self._send: "Callable[[str], None] | None" = None
        self._page: "Page | None" = None  # our own, once it is known that nobody answers
        self._is_over = False  # nobody answers, and ``alone`` is None: without an address there is no page of our own
        self._who = NOBODY
        self._consent = ""
        self._has_answer = False
        self._waiting: "list[tuple[str, list[Any], int]]" = []  # with the time at which each was made, in ms
        self._flushes = 0
        self._flushed = 0

    def begin(self, hooks: "list[Hook]") -> None:
        """Ask for the page; the worker's functions may call from now on."""
        self._hooks = list(hooks)
        self._send = self.browser.line(self._key, self._heard)
        if self._send is None:
            self._give_up()
        else:
            self.browser.spawn(self._wait_for_answer)

    def _heard(self, text: str) -> None:
        message = json.loads(text)
        if self._page is not None or self._is_over:
            return  # too late
        if "none" in message:
            self._give_up()
            return
        self._who = message.get("who", self._who)
        self._consent = message.get("consent", self._consent)
        self._flushed = message.get("flushed", self._flushed)
        self._has_answer = True
        for method, _, _ in self._hooks:
            self.browser.say("error", OUT_OF_REACH.format(method))
        self._hooks = []
        self._hand_over()

    def _hand_over(self) -> None:
        while self._waiting:
            self._give(*self._waiting.pop(0))

    def _give_up(self) -> None:
        if self._alone is None:
            self._end(NO_ADDRESS)
            return
        self.browser.say("warn", ALONE)
        try:
            self._page = self._alone()
            self._page.begin(self._hooks)
        except Exception as surprise:  # the wall: this is no call, which the library would end it for
            self._page = None
            self._end(f"init() failed; calls are dropped: {surprise!r}")
        self._hand_over()

    def _end(self, why: str) -> None:
        self._is_over, self._waiting = True, []
        self.browser.say("error", why)

    def _is_known(self) -> bool:
        """Tell whether it is known who takes the calls, or that nobody does."""
        return self._has_answer or self._page is not None or self._is_over

    async def _wait_for_answer(self) -> None:
        if not await self._until(self._is_known, PATIENCE):
            self._give_up()

    async def _until(self, question: "Callable[[], bool]", patience: float) -> bool:
        """Wait for a question's yes; tell whether it came."""
        while not question() and patience > 0:
            await self.browser.sleep(NAP)
            patience -= NAP
        return question()

    def _post(self, message: "dict[str, Any]") -> None:
        assert self._send is not None, "there is a line"
        self._send(json.dumps(message))

    # What the library asks of a brain -----------------------------------------------------------------------------

    def take(self, name: str, args: "list[Any]") -> None:
        """Hand a call over, now or when it is known to whom."""
        ms = int(self.browser.now())
        if self._is_known():
            self._give(name, dated(name, args, ms), ms)
        else:
            self._waiting.append((name, dated(name, args, ms), ms))

    def _give(self, name: str, args: "list[Any]", ms: int) -> None:
        if self._page is not None and name in CHOICES:
            getattr(self._page, name)()
        elif self._page is not None:
            self._page.take(name, args)
        elif self._has_answer:
            self._post({"call": [name, args, ms]})

    def opt_in(self) -> None:
        """The visitor says yes."""
        self.take("opt_in", [])

    def opt_out(self) -> None:
        """The visitor says no."""
        self.take("opt_out", [])

    def consent(self) -> str:
        """Give what holds now, as the page told last; "" before it did."""
        return self._consent if self._page is None else self._page.consent()

    def hook(self, method: str, names: "list[str]", function: "Callable[[Any], Any]") -> None:
        """Take a function, where this worker is on its own: the page's tag could not wait for an answer from here."""
        if self._page is not None:
            self._page.hook(method, names, function)
        elif self._has_answer:
            raise BadCall(OUT_OF_REACH.format(method))
        else:
            self._hooks.append((method, names, function))

    def identity(self) -> "dict[str, Any]":
        """Give ``distinct_id device session`` as the page told last; empty texts before it did."""
        if self._page is not None:
            return self._page.identity()
        return {"distinct_id": self._who[0], "device": self._who[1], "session": self._who[2]}

    async def ready(self) -> None:
        """Wait until it is known who the visitor is."""
        await self._until(self._is_known, PATIENCE + LONGEST)
        await self._until(lambda: not self._has_answer or (self._who[0] or self._consent) != "", LONGEST)

    async def flush(self) -> None:
        """Wait until the page's tag, or we, have delivered everything so far."""
        await self._until(self._is_known, PATIENCE + LONGEST)
        if self._page is not None:
            await self._page.flush()
        if not self._has_answer:
            return
        self._flushes += 1
        mine = self._flushes
        self._post({"flush": mine})
        if not await self._until(lambda: self._flushed >= mine, LONGEST):
            self.browser.say("warn", "The page's tag has not delivered; calls wait for it in the page.")
