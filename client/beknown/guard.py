"""The runaway guard: a page whose code calls in a loop must not cost its visitors or the site's counts.

A bucket holds BURST events and refills by RATE a second (posthog-js §6.7). It is [tokens, last ms, refused], kept
with the rest of the state, so that a reload does not refill it and every host refuses the same calls.

Rules:
- Pure. Time is the call's own.
- Who somebody is, is never held back: what FREE names costs nothing.
- The first refusal of a burst is told, in the console and as one event; the rest are silent.
"""

RATE = 10
BURST = 100
FREE = ("$identify", "$create_alias", "$$client_ingestion_warning")


def full(at: float) -> "list[float]":
    """Give a bucket nobody has drawn from."""
    return [BURST, at, 0]


def draw(bucket: "list[float]", at: float) -> "tuple[list[float], bool]":
    """Give the bucket after one event at ``at`` (ms), and whether the event may go."""
    tokens, last, refused = bucket
    tokens = min(BURST, tokens + max(at - last, 0) * RATE / 1000)
    if tokens >= BURST:
        refused = 0  # the burst is over
    if tokens < 1:
        return [tokens, at, refused + 1], False
    return [tokens - 1, at, refused], True
