"""Whose request this is: the visitor that calls inside a ``with identify_context(...)`` block belong to.

Rules:
- A ContextVar: each thread and each asyncio task has its own; a new thread begins without one.
- Inner blocks replace outer ones wholly: half of one visitor and half of another is nobody.
- What a browser says of itself is for attribution, never for permission. ``is_verified`` alone was signed by us.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from .record import ordinary, whose
from .values import plain_properties

log = logging.getLogger("beknown")


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who a request comes from, as the tag says.

    ``is_identified``: as a user of the site (None: not known). ``is_verified``: the site's own backend has signed
    that id for this browser.
    """

    distinct_id: str
    session_id: str = ""
    device_id: str = ""
    is_identified: bool | None = None
    is_verified: bool = False
    properties: Mapping[str, Any] = field(default_factory=dict)

    def marks(self, *, about_person: bool = False) -> dict[str, Any]:
        """Give the event properties that only we may say of this visitor; ``about_person``: the event tells of them."""
        found: dict[str, Any] = {"$session_id": self.session_id, "$device_id": self.device_id}
        found = {name: value for name, value in found.items() if value}
        # As the tag does: what an anonymous visitor does makes no person profile, what is said of them does.
        if self.is_identified is False and not about_person:
            found["$process_person_profile"] = False
        return found


#: Somebody who has said no to being known: what they do is not captured, and that is no error.
REFUSED = Visitor("")

_current: ContextVar[Visitor | None] = ContextVar("beknown_visitor", default=None)


def visitor() -> Visitor | None:
    """Give the visitor that calls belong to here, or None."""
    return None if has_refused() else _current.get()


def has_refused() -> bool:
    """Tell whether the visitor here has said no (``opt_out()`` in the page)."""
    return _current.get() is REFUSED


@contextmanager
def within(someone: Visitor | None) -> Iterator[None]:
    """Let calls in this block belong to a visitor, or, for None, to nobody."""
    token = _current.set(someone)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def identify_context(
    distinct_id: Any, *, session_id: str = "", properties: Mapping[str, Any] | None = None
) -> Iterator[None]:
    """Let calls in this block that name no distinct id belong to this one; ``properties`` go on their events.

    Raises BadId for an id that many people would share: a block of events under it cannot be meant.
    """
    kept, complaints = plain_properties(properties, "properties", ordinary)
    for complaint in complaints:
        log.warning("identify_context(): %s", complaint)
    someone = Visitor(whose(distinct_id, "identify_context()"), session_id, properties=kept)
    with within(someone):
        yield
