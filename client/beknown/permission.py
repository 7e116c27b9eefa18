"""Consent: may this visitor's calls run, and may anything be stored?

    mode         what happened         who it is              is stored             leaves the page
                 (capture, page views) (identify, register)
    granted      runs                  runs                   identity, journal     yes
    pending      waits in memory       waits in memory        nothing               nothing
    cookieless   runs, nobody's        what names somebody    nothing               yes, without any id; the server
                                       is refused                                   counts by a hash of the day
    denied       dropped               waits in memory        the word "denied"     nothing

What waits is run when consent comes during this visit. The choice is where the identity is: the visitor's own yes is
the format of the cookie (wire.pack_cookie), their no stands in its place. So it survives reset(), all tabs and
subdomains see it at once, and nothing else has to be stored.

Rules:
- Pure. ``options`` are the tag's data- attributes, ``facts`` what the host knows of the browser.
- The visitor's own choice on this site comes first, then the site's caution (pending, denied), then what the browser
  asks of every site (Global Privacy Control, Do Not Track), then what the site wants.
- A browser's signal is no refusal of being counted: it asks not to be known or passed on. These visitors are counted,
  cookieless, and marked with ``$gpc``: the identity report can say how many there are, and nobody can say who. Who
  calls opt_out() refuses altogether: nothing is sent from then on, not even that.
- A mode that is none of these is a slip of the pen in the tag: nothing may leave the page before it is mended.
- static/beknown.js says the same in JavaScript: no Python may be loaded before it is known that it may.
"""

from . import wire
from .errors import BadCall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

GRANTED = "granted"
PENDING = "pending"
COOKIELESS = "cookieless"
DENIED = "denied"

RUN = "run"
WAIT = "wait"
DROP = "drop"

# Calls that are about somebody: where nobody may be known they cannot be done.
PERSONAL = (
    "identify",
    "alias",
    "group",
    "set_person_properties",
    "unset_person_properties",
    "create_person_profile",
    "set",
    "set_once",
)


def mode(stored: str, facts: "dict[str, Any]", options: "dict[str, Any]") -> str:
    """Give the mode for what is stored (the cookie's text, "" if nothing is), the browser and the tag."""
    if stored == wire.DENIED:
        return DENIED
    if stored.startswith(wire.ASKED):
        return GRANTED
    wanted = options.get("consent") or GRANTED
    if wanted not in (GRANTED, COOKIELESS):
        return DENIED if wanted == DENIED else PENDING
    return COOKIELESS if is_signalled(facts, options) else str(wanted)


def is_signalled(facts: "dict[str, Any]", options: "dict[str, Any]") -> bool:
    """Tell whether the browser asks not to be tracked, and the site listens."""
    return bool(facts.get("gpc")) and options.get("respectGpc") != "false"


def is_live(mode: str) -> bool:
    """Tell whether calls run and events leave the page."""
    return mode in (GRANTED, COOKIELESS)


def verdict(mode: str, call: str) -> str:
    """Say what becomes of a call now: RUN, WAIT (in the page's memory) or DROP."""
    if is_live(mode):
        return RUN
    return DROP if mode == DENIED and call.startswith(("capture", "page")) else WAIT


def check(mode: str, call: str) -> None:
    """Raise BadCall if a call cannot be done in this mode."""
    if mode == COOKIELESS and call in PERSONAL:
        raise BadCall(
            f"{call}() is about somebody, and in cookieless counting nobody is known; ignored. "
            "Call it again after opt_in()."
        )
