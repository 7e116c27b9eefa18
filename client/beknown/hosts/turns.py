"""The turns of calls: one runs after what the one before asked for has been carried out.

Rules:
- A function of the page's that is told of an event, or edits one, may call in the middle of that. Its call waits: what
  is being carried out is of a state that knows nothing of it, and would be stored over what it changes.
- Functions may call one another for ever. Only so many calls run at once; the page goes on before the rest do, and ever
  longer until nothing waits any more.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .browser import Browser

AT_ONCE = 20  # calls of the page's functions that may run before the page goes on
BREATH = 0.01  # s, the first time, until the rest of them run


class Turns:
    """The ids of the calls that wait for their turn; ``run`` runs one, ``after`` follows when all have had theirs."""

    def __init__(self, browser: "Browser", run: "Callable[[str], None]", after: "Callable[[], None]") -> None:
        self.ids: "list[str]" = []
        self.is_busy = False  # something is being carried out
        self._browser = browser
        self._run = run
        self._after = after
        self._is_late = False  # some wait, and the page goes on first, for a nap
        self._nap = BREATH

    def add(self, ids: "list[str]") -> None:
        """Give calls their turn, at once if nothing is being carried out; it may also be asked for with none."""
        self.ids += ids
        if self.is_busy:
            self._come_back()
            return
        for _ in range(len(self.ids) + AT_ONCE):
            if self.ids:
                self._run(self.ids.pop(0))
        if self.ids:
            self._come_back()
        else:
            self._nap = BREATH
        self._after()

    def carry_out(self, has_ended: "Callable[[], bool]") -> None:
        """Do one thing until it has ended; what is called meanwhile waits."""
        self.is_busy = True
        try:
            while not has_ended():
                pass
        finally:
            self.is_busy = False

    def _come_back(self) -> None:
        if not self._is_late:
            self._is_late = True
            self._browser.spawn(self._go_on)

    async def _go_on(self) -> None:
        await self._browser.sleep(self._nap)
        self._nap *= 2
        # In a task of its own nothing is under way. What JavaScript throws flies past MicroPython's ``finally``.
        self._is_late = self.is_busy = False
        self.add([])
