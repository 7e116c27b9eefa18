"""What an answer means, and how long to wait before asking again.

    2xx                                SENT   gone for good
    0 (no answer), 408, 425, 429, 5xx  WAIT   the same events again, later
    3xx, 401-405, 407, 410, 421, 451   STOP   key or address is wrong; sending on cannot help
    anything else                      DROP   the server cannot use these events, or not as many at once

Rules:
- Nobody knows which event of a request is at fault, so one that is refused is halved first (SPLIT). And whoever refuses
  three single ones in a row may be no collector at all: the fourth is a STOP, and so on.
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
    if 200 <= status < 300:
        return SENT
    if status in (0, 408, 425, 429) or status >= 500:
        return WAIT
    return STOP if status < 400 or 400 < status < 406 or status in (407, 410, 421, 451) else DROP


def wait(tries: int, chance: float, retry_after: float = 0, first: int = FIRST_WAIT) -> float:
    """Give the ms until try number ``tries`` + 1: doubling, ±25 %, at least the server's ``retry_after`` ms."""
    doubled = min(first << min(max(tries - 1, 0), 10), LONGEST_WAIT)
    return max(doubled * (0.75 + 0.5 * chance), min(retry_after, LONGEST_WAIT))


def gives_up(tries: int, heard: bool) -> bool:
    """Tell whether this page has tried often enough, given whether it was ever answered; the next page tries again."""
    return not heard and tries >= QUIET_TRIES
