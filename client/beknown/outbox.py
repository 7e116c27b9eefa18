"""Events on their way to one server: what waits, what to send next, and when.

    add(call, events) -> request(now) -> the host posts it -> answered(status, now)

Rules:
- Pure: it holds texts; times are ms handed in, ``chance`` is in [0, 1); the host sends.
- Oldest first, one request at a time: an ``$identify`` never overtakes what was captured before it.
- Nothing is forgotten before the server has it or has refused it for good: a lost answer means the same events
  again, and the server keeps one.
- What one call made travels in one request, so that acknowledging a request acknowledges whole calls.
- The first event leaves at once; what follows within ``linger`` travels together, or as soon as a request is full.
- A request that is refused is halved until the call at fault is found; that one alone is dropped.
"""

from . import retry

TYPE_CHECKING = False
if TYPE_CHECKING:
    Calls = list[tuple[str, list[str]]]

# Beyond this the oldest are dropped, and missing in $sequence: a dead server must not fill the visitor's disk.
MAX_CALLS = 5000


class Outbox:
    """A queue of (call id, its events as JSON texts). Requests hold at most ``batch`` events and ``size`` bytes."""

    def __init__(
        self,
        limit: int = MAX_CALLS,
        *,
        batch: int = 100,
        size: int = 48000,
        linger: float = 0,
        first_wait: int = retry.FIRST_WAIT,
    ) -> None:
        self.limit = limit
        self.tries = 0  # failures in a row
        self._refused = 0  # single calls, since the server last took one
        self.not_before = 0.0  # after a failure: no request before this
        self._waiting: "Calls" = []
        self._known: "set[str]" = set()
        self._largest = self._most = batch
        self._size = size
        self._linger = linger
        self._first_wait = first_wait
        self._in_flight = 0  # calls in the request that awaits its answer
        self._gather_until = 0.0  # unless a request is full

    def __len__(self) -> int:
        return len(self._waiting)

    def holds(self, call: str) -> bool:
        """Tell whether a call's events wait already."""
        return call in self._known

    def add(self, call: str, events: "list[str]") -> "list[str]":
        """Queue a call's events, unless they wait already; give the ids of calls dropped to make room."""
        if call in self._known:
            return []
        self._known.add(call)
        self._waiting.append((call, events))
        return self.remove(self._in_flight, len(self._waiting) - self.limit)

    # Sending ------------------------------------------------------------------------------------------------

    def request(self, now: float) -> "Calls":
        """Give what to send now, or nothing. ``answered`` must follow before the next request."""
        due = self.wake_at()
        if due is None or now < due:
            return []
        head = self.head(self._most, self._size)
        self._in_flight = len(head)
        self._gather_until = now + self._linger
        return head

    def wake_at(self) -> "float | None":
        """Give when ``request`` will have something if nothing else happens, or None."""
        if self._in_flight or not self._waiting:
            return None
        if len(self._waiting) >= self._most:
            return self.not_before
        return max(self.not_before, self._gather_until)

    def answered(self, status: int, now: float, *, chance: float, retry_after: float = 0) -> "tuple[str, list[str]]":
        """Take the answer to the request: HTTP status (0: none came), Retry-After in ms.

        Gives retry.py's word for it, and the ids of the calls that left the queue, delivered (SENT) or dropped (DROP).
        """
        count, self._in_flight = self._in_flight, 0
        what = retry.verdict(status)
        if what == retry.SENT:
            self._refused = 0
        elif what == retry.DROP:
            if count > 1:
                self._most = count // 2
                self._gather_until = now
                return retry.SPLIT, []
            self._refused += 1
            if self._refused % 4 == 0:
                what = retry.STOP
        if what in (retry.WAIT, retry.STOP):
            self.tries += 1
            pause = retry.wait(self.tries, chance, retry_after, self._first_wait)
            self.not_before = now + (pause if what == retry.WAIT else retry.LONGEST_WAIT)
            self._gather_until = now
            return what, []
        self.tries = 0
        self._most = min(self._most * 2, self._largest)
        return what, self.remove(0, count)

    def hurry(self, not_before: float = 0) -> None:
        """Try again without our own patience, and without gathering more."""
        self.not_before, self._gather_until = not_before, 0

    # The queue ----------------------------------------------------------------------------------------------

    def head(self, max_events: int, max_bytes: int) -> "Calls":
        """Give the oldest calls that fit one request; at least one, however large."""
        taken: "Calls" = []
        events = size = 0
        for call, texts in self._waiting:
            events += len(texts)
            size += sum([len(text.encode()) + 1 for text in texts])
            if taken and (events > max_events or size > max_bytes):
                break
            taken.append((call, texts))
        return taken

    def remove(self, first: int, count: int) -> "list[str]":
        """Forget ``count`` calls (none if it is negative), from place ``first`` on, and give their ids."""
        if count <= 0:
            return []
        gone = [call for call, _ in self._waiting[first : first + count]]
        self._waiting[first : first + count] = []
        for call in gone:
            self._known.remove(call)
        return gone
