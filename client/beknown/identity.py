"""Who this browser says it is: a device, a distinct id, and whether a user has been named.

    device        survives reset(); changed only by reset(device=True) or when a second user takes over
    distinct id   what every event is filed under: an anonymous id, then the user's
    identified    False until identify(), False again after reset()

Rules:
- Pure. An Identity never changes; each transition answers with the next one.
- The table below is the whole decision. ``design: identity.md, "On the device"``.
- Two users never meet on one device: whoever follows without a reset() gets a device id of their own, so that
  nothing in the data links the two.
"""

from . import ids, wire
from .errors import BadId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ANONYMOUS = False
IDENTIFIED = True

# What identify(id) does: (is somebody identified?, is the id the present distinct id?) -> transition
TRANSITIONS = {
    (ANONYMOUS, False): "claim",  # the anonymous visitor turns out to be this user
    (ANONYMOUS, True): "refuse",  # their own anonymous id: it names nobody, and must not use up the claim
    (IDENTIFIED, True): "repeat",  # already known: at most properties change
    (IDENTIFIED, False): "switch",  # another user, and nobody called reset(): split the device, claim nothing
}


class Identity:
    """Device, distinct id, and whether the distinct id is a user's."""

    def __init__(self, device: str, distinct_id: str, identified: bool = ANONYMOUS) -> None:
        self.device = device
        self.distinct_id = distinct_id
        self.identified = identified


def named(identity: Identity, id: "Any", said: "list[tuple[str, str]]") -> str:
    """Give the id by which a page names somebody as text; say that it was none, once: not if they are named so already.

    Raises BadId for what is nobody's (wire.checked_id), and for a number that JavaScript may have rounded.
    """
    text = wire.checked_id(id)
    if isinstance(id, str) or text == identity.distinct_id:
        return text
    if abs(id) >= wire.INEXACT:
        raise BadId(f"the distinct id {text} is a number that JavaScript rounds, maybe to another user's. Pass text.")
    said.append(
        (
            "warn",
            f"the distinct id {text} is a number, and was taken as text. Pass text: JavaScript rounds large numbers.",
        )
    )
    return text


def transition(identity: Identity, user: str) -> str:
    """Name what identify(user) does now: claim, refuse, repeat or switch."""
    return TRANSITIONS[(identity.identified, user == identity.distinct_id)]


def identify(identity: Identity, user: str, call: str) -> "tuple[Identity, str, dict[str, str]]":
    """Give the next identity, the transition's name, and the properties by which the server follows it.

    ``call`` is the id of the identify() call; the new device of a switch is derived from it. Raises BadId for
    the visitor's own anonymous id.
    """
    name = transition(identity, user)
    if name == "refuse":
        raise BadId(
            f"identify() was called with this visitor's own anonymous id ({user}), which names nobody. "
            "Ignored, so that the next identify() with the user's real id still links their history."
        )
    if name == "repeat":
        return identity, name, {}
    if name == "claim":
        return Identity(identity.device, user, IDENTIFIED), name, {"$anon_distinct_id": identity.distinct_id}
    device = ids.derived(call, "device")
    return Identity(device, user, IDENTIFIED), name, {"$previous_user": "switched"}


def is_claim(before: Identity, after: Identity) -> bool:
    """Tell whether a log-in can be all that made ``after`` of ``before``: the same visitor, known by name now."""
    return after.identified and not before.identified and after.device == before.device


def reset(identity: Identity, call: str, device: bool = False) -> Identity:
    """Give a fresh anonymous identity; with ``device``, on a fresh device too (one id for both, as at first)."""
    anonymous = ids.derived(call, "anonymous")
    return Identity(anonymous if device else identity.device, anonymous)
