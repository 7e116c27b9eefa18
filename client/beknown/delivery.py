"""Delivery: what waits for one collector, what to send next, and when. For backends, which send for many people.

    add(event) -> request(now) -> the driver posts it -> answered(status, now)

Rules:
- Pure: times are ms of any clock that does not jump, handed in; ``chance`` is in [0, 1).
- Nothing is forgotten before the collector answered 200, or refused the very event. An outage is waited for, at
  most ``retry.LONGEST_WAIT`` at a time; a wrong key or address too: it may be mended while we wait.
- A full queue takes nothing new. What was taken stays, in order, with one request under way at a time.
- The first event leaves at once; what follows within LINGER travels together, or as soon as a request is full.
- A request refused as unusable or too large is halved until the event at fault is found; that one alone is dropped.
"""

import json

from . import outbox, retry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

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
        self._waiting = outbox.Outbox(NEVER_DROP)  # what is full is decided here: nothing taken is dropped for room
        self._room = room
        self._room_bytes = room_bytes
        self._largest = self._batch = batch
        self._linger = linger
        self._first_wait = first_wait
        self._in_flight: "list[str]" = []
        self._tries = 0
        self._no_sooner = 0.0  # after a failure: no request before this
        self._wished = 0.0  # the collector's own wish (Retry-After) within that
        self._gather_until = 0.0  # unless a request is full
        self._hurried = 0  # and unless not so many events have been settled yet
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
        """Queue an event's JSON text."""
        self._waiting.add(id, [text])
        self.bytes += len(text)
        self.taken += 1

    # Sending ------------------------------------------------------------------------------------------------

    def request(self, now: float) -> "list[str] | None":
        """Give the texts of the events to send now, or None. ``answered`` must follow before the next request."""
        due = self.wake_at()
        if due is None or now < due:
            return None
        head = self._waiting.head(self._batch, MAX_REQUEST_BYTES)
        self._in_flight = [text for _, texts in head for text in texts]
        self._gather_until = now + self._linger
        return self._in_flight

    def wake_at(self) -> "float | None":
        """Give when ``request`` will have something if nothing else happens, or None."""
        if self._in_flight or not len(self._waiting):
            return None
        if len(self._waiting) >= self._batch or self.settled < self._hurried:
            return self._no_sooner
        return max(self._no_sooner, self._gather_until)

    def hurry(self) -> None:
        """Send what waits without gathering more, and without our own patience, but not against the collector's."""
        self._hurried = self.taken
        self._no_sooner = self._wished
        self.is_refused = False

    def answered(self, status: int, now: float, *, chance: float, retry_after: float = 0) -> "tuple[str, list[str]]":
        """Take the answer to the request: status (0: none came), Retry-After in ms.

        Gives retry.py's word for it, and the texts of the events that left the queue, delivered (SENT) or
        dropped (DROP).
        """
        texts, self._in_flight = self._in_flight, []
        count = len(texts)
        what = retry.verdict(status)
        self.is_refused = what == retry.STOP
        if count > 1 and (what == retry.SPLIT or status == 400):
            self._batch = max(count // 2, 1)
            self._gather_until = now
            return retry.SPLIT, []
        if what in (retry.WAIT, retry.STOP):
            self._tries += 1
            self._wished = now + min(retry_after, retry.LONGEST_WAIT)
            pause = retry.wait(self._tries, chance, retry_after, self._first_wait)
            self._gather_until = now
            self._no_sooner = now + (pause if what == retry.WAIT else retry.LONGEST_WAIT)
            return what, []
        self._waiting.remove_head(count)
        self.settled += count
        self.bytes -= sum([len(text) for text in texts])
        self._tries = 0
        self._batch = min(self._batch * 2, self._largest)
        return (retry.SENT if what == retry.SENT else retry.DROP), texts


def body(key: str, texts: "Iterable[str]", sent_at: str) -> str:
    """Give the body of a request on PostHog's wire (posthog-server §1.4), from events that are JSON already."""
    return f'{{"api_key": {json.dumps(key)}, "batch": [{",".join(texts)}], "sent_at": "{sent_at}"}}'
