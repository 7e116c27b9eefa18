"""A session: one visit, shared by the tabs of a browser, with an id that carries its start.

Rules:
- Pure; times are ms.
- A session ends after IDLE without a call, or MAXIMUM after it began (posthog-js §4). The next call begins one.
- Calls are judged by the time they were made, not by when Python got to them: a journal replayed on the next
  page yields the same sessions.
"""

from . import ids

IDLE = 30 * 60 * 1000
MAXIMUM = 24 * 60 * 60 * 1000


class Session:
    """The id, when it began, and when the visitor was last seen (ms)."""

    def __init__(self, id: str, started: float, active: float) -> None:
        self.id = id
        self.started = started
        self.active = active


def is_over(session: Session, at: float) -> bool:
    """Tell whether a call at ``at`` belongs to a new session. Both directions count: clocks are set back too."""
    return not session.id or at - session.active > IDLE or abs(at - session.started) > MAXIMUM


def touched(session: Session, at: float, call: str) -> Session:
    """Give the session that a call at ``at`` belongs to: the present one, prolonged, or a new one."""
    if is_over(session, at):
        return Session(ids.derived(call, "session"), at, at)
    return Session(session.id, session.started, max(session.active, at))
