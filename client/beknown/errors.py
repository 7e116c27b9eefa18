"""What can go wrong in the client, and what each error tells the page's author.

    BeknownError
    ├── BadCall      the page asked for something that cannot be done
    │   ├── BadId        with an id that would glue strangers together
    │   └── BadValue     with a value that cannot travel as JSON
    ├── BadState     what was stored is not ours or is damaged
    └── NotSent      an event was not taken, or will not be delivered

Rules:
- Pure: no clock, randomness, network or browser in this file.
- The core raises; one wall (``Tracker.take``) turns each error into a console message. None reaches the page.
- A message says what went wrong, why it matters, and what to do instead.
"""


class BeknownError(Exception):
    """Everything that beknown raises on purpose."""


class BadCall(BeknownError):
    """The page asked for something that cannot be done; the call is dropped, the next ones are not."""


class BadId(BadCall):
    """An id was passed that many people would share, so that identifying with it would merge strangers."""


class BadValue(BadCall):
    """A property holds something that JSON cannot carry; the property is dropped, the event is kept."""


class BadState(BeknownError):
    """The stored state is damaged or from elsewhere; the visitor starts afresh and the console says so."""


class NotSent(BeknownError):
    """Events were not taken or will not be delivered; ``status`` is the server's answer, 0 if it was not asked."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status
