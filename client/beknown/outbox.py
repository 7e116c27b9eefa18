"""Events on their way: oldest first, one request at a time, gone only when the server has them.

Rules:
- Pure: it holds texts; the host sends them.
- Entries stay until ``remove_head``: a lost answer means the same events again, and the server keeps one.
- What one call made travels in one request, so that acknowledging a request acknowledges whole calls.
- Order is the order of the calls; an ``$identify`` never overtakes what was captured before it.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_CALLS = 5000  # beyond this the oldest are dropped and counted: a dead server must not fill the visitor's disk


class Outbox:
    """A queue of (call id, its events as JSON texts)."""

    def __init__(self, limit: int = MAX_CALLS) -> None:
        self.limit = limit
        self._waiting: "list[tuple[str, list[str]]]" = []
        self._known: "set[str]" = set()
        self.dropped = 0

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
        return self.remove_head(len(self._waiting) - self.limit, dropped=True)

    def head(self, max_events: int, max_bytes: int) -> "list[tuple[str, list[str]]]":
        """Give the oldest calls that fit one request; at least one, however large."""
        taken: "list[tuple[str, list[str]]]" = []
        events = size = 0
        for call, texts in self._waiting:
            events += len(texts)
            size += sum([len(text.encode()) + 1 for text in texts])
            if taken and (events > max_events or size > max_bytes):
                break
            taken.append((call, texts))
        return taken

    def remove_head(self, count: int, dropped: bool = False) -> "list[str]":
        """Forget the ``count`` oldest calls (none if it is negative) and give their ids."""
        if count <= 0:
            return []
        gone = [call for call, _ in self._waiting[:count]]
        self._waiting = self._waiting[len(gone) :]
        self._forget(gone)
        if dropped:
            self.dropped += len(gone)
        return gone

    def _forget(self, calls: "Iterable[str]") -> None:
        for call in calls:
            self._known.remove(call)
