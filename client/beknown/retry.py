"""What an answer means, and how long to wait before asking again.

    200                          SENT    gone for good
    0 (no answer), 408, 429, 5xx WAIT    the same events again, later
    413                          SPLIT   half as many at a time; a single event that is too large is dropped
    3xx, 401, 403, 404           STOP    key or address is wrong; sending on cannot help
    anything else                DROP    the server says that these events are unusable

Rules:
- Pure: ``chance`` in [0, 1) is handed in, so that a fleet of pages does not return in step after an outage.
- A page that has never had any answer gives up after QUIET_TRIES until the next page: an ad blocker does not change
  its mind, and the console stays quiet (posthog-js issues 1598, 591, 482). The journal keeps the events. A page that
  was answered once is not blocked: it goes on asking, every five minutes in the end.
"""

SENT = "sent"
WAIT = "wait"
SPLIT = "split"
STOP = "stop"
DROP = "drop"

FIRST_WAIT = 2000  # ms
LONGEST_WAIT = 5 * 60 * 1000  # ms
QUIET_TRIES = 4  # tries of a page that was never answered


def verdict(status: int) -> str:
    """Say what to do about a request that was answered with an HTTP status (0: not answered at all)."""
    if status == 200:
        return SENT
    if status in (0, 408, 429) or status >= 500:
        return WAIT
    if status == 413:
        return SPLIT
    return STOP if 300 <= status < 400 or status in (401, 403, 404) else DROP


def wait(tries: int, chance: float, retry_after: float = 0, first: int = FIRST_WAIT) -> float:
    """Give the ms until try number ``tries`` + 1: doubling, ±25 %, at least the server's ``retry_after`` ms."""
    doubled = min(first << min(max(tries - 1, 0), 10), LONGEST_WAIT)
    return max(doubled * (0.75 + 0.5 * chance), min(retry_after, LONGEST_WAIT))


def gives_up(tries: int, heard: bool) -> bool:
    """Tell whether this page has tried often enough, given whether it was ever answered; the next page tries again."""
    return not heard and tries >= QUIET_TRIES
