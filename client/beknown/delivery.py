"""Delivery: what waits for one collector. For backends, which send for many people: an outbox with bounds of its own.

    add(event) -> request(now) -> the driver posts it -> answered(status, now)

Rules (and outbox.py's, which decides what is sent and when):
- Pure: times are ms of any clock that does not jump, handed in; ``chance`` is in [0, 1).
- Nothing is forgotten before the collector has taken it, or refused the very event. An outage is waited for, at
  most ``retry.LONGEST_WAIT`` at a time; a wrong key or address too: it may be mended while we wait.
- A full queue takes nothing new. What was taken stays, in order.
"""

from . import outbox, retry

MAX_REQUEST_BYTES = 5 * 1024 * 1024  # posthog's own batches; collectors inflate up to 20 MiB

NEVER_DROP = 1 << 30


class Delivery:
    """The queue to one collector. At most ``room`` events and ``room_bytes`` of them wait."""

    def __init__(
        self,
        *,
        room: int,
        room_bytes: int,
        batch: int,
        linger: float = 1000,
        first_wait: int = retry.FIRST_WAIT,
    ) -> None:
        # What is full is decided here: nothing taken is dropped for room.
        self._waiting = outbox.Outbox(
            NEVER_DROP, batch=batch, size=MAX_REQUEST_BYTES, linger=linger, first_wait=first_wait
        )
        self._room = room
        self._room_bytes = room_bytes
        self._in_flight: "list[str]" = []
        self._wished = 0.0  # the collector's own wish (Retry-After) for the next request
        self._hurried = 0  # nothing is gathered until so many events have been settled
        self.bytes = 0
        self.taken = 0  # events, since the beginning; so is ``settled``
        self.settled = 0
        self.is_refused = False  # key or address is wrong, as far as the last answer tells

    def __len__(self) -> int:
        return len(self._waiting)

    # Taking -------------------------------------------------------------------------------------------------

    def waiting(self) -> "list[str]":
        """Give the texts of all events that wait, oldest first."""
        return [text for _, texts in self._waiting.head(NEVER_DROP, NEVER_DROP) for text in texts]

    def holds(self, id: str) -> bool:
        """Tell whether an event waits already."""
        return self._waiting.holds(id)

    def is_full(self, more: int = 0) -> bool:
        """Tell whether there is no room for an event of ``more`` bytes; ``add`` is not to be called then."""
        return len(self._waiting) >= self._room or self.bytes + more > self._room_bytes

    def add(self, id: str, text: str) -> None:
        """Queue an event's JSON text, unless it waits already."""
        if self._waiting.holds(id):
            return
        self._waiting.add(id, [text])
        self.bytes += len(text)
        self.taken += 1

    def clear(self) -> None:
        """Forget what waits (nothing may be under way), but not how patient to be: whoever keeps it adds it again."""
        self.taken -= len(self._waiting.remove(0, len(self._waiting)))
        self.bytes = 0

    # Sending ------------------------------------------------------------------------------------------------

    def request(self, now: float) -> "list[str] | None":
        """Give the texts of the events to send now, or None. ``answered`` must follow before the next request."""
        head = self._waiting.request(now)
        if not head:
            return None
        self._in_flight = [text for _, texts in head for text in texts]
        return self._in_flight

    def wake_at(self) -> "float | None":
        """Give when ``request`` will have something if nothing else happens, or None."""
        return self._waiting.wake_at()

    def hurry(self) -> None:
        """Send what waits without gathering more, and without our own patience, but not against the collector's."""
        self._hurried = self.taken
        self._waiting.hurry(self._wished)
        self.is_refused = False

    def answered(self, status: int, now: float, *, chance: float, retry_after: float = 0) -> "tuple[str, list[str]]":
        """Take the answer to the request: status (0: none came), Retry-After in ms.

        Gives retry.py's word for it, and the texts of the events that left the queue, delivered (SENT) or
        dropped (DROP).
        """
        texts, self._in_flight = self._in_flight, []
        what, gone = self._waiting.answered(status, now, chance=chance, retry_after=retry_after)
        self.is_refused = what == retry.STOP
        if what in (retry.WAIT, retry.STOP):
            self._wished = now + min(retry_after, retry.LONGEST_WAIT)
        if not gone:
            return what, []
        self.settled += len(gone)
        self.bytes -= sum([len(text) for text in texts])
        if self.settled < self._hurried:
            self._waiting.hurry()
        return what, texts
