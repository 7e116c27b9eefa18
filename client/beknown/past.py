"""Who the visitor was, call by call: whom a call that is found late is filed under.

    [[call id, device, distinct id, identified], ...]    newest last: whom each identify() and reset() made of them

A call may be found late: Python was not up yet, and another tab's was; or its tab died, and another takes over what it
left. The visitor may be somebody else by then. It is not filed under that one, nor does it undo what was said since.

Rules:
- Pure, and made of JSON's values: the past is kept beside the state and travels with it (state.py).
- Call ids sort by time, in all tabs (ids.py). The oldest entry stands for everything before it,
  but lends nobody its anonymous id.
- Two tabs may add to it at once: together they have both entries, and the visitor is whom the newest one made of them.
- A change that is still to come is one from before the clock was set back: no call is late because of that.
"""

from . import ids
from .identity import Identity, is_claim

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Past = list[list[Any]]

MOST = 100  # entries that a page remembers: as many calls as /run is given at once may each add one
KEPT = 12  # of them, in storage: a visitor who logs in and out every day should not carry a year of it;
RECENT = 600_000  # ms: but these all, for what closed tabs have left is mostly found within minutes
CARRIED = 3  # of them, beside the events of a call: what its page may not live to store


def is_late(past: "Past", call: str, now: float) -> bool:
    """Tell whether a call that is run ``now`` (ms) was made before the newest change of identity."""
    return bool(past) and call < past[-1][0] and ids.time_of(past[-1][0]) <= now


def was(past: "Past", call: str) -> Identity:
    """Give who the visitor was when a call was made; ``past`` must not be empty."""
    earlier = [each for each in past if each[0] < call]
    return identity_of(earlier[-1] if earlier else past[0])


def is_somebody_elses(past: "Past", call: str) -> bool:
    """Tell whether more than a log-in lies between a late call and now: what is kept is not of whom it is about."""
    earlier = [each for each in past if each[0] < call]
    return len(earlier) != len(past) - 1 or not is_claim(was(past, call), identity_of(past[-1]))


def entry(call: str, identity: Identity) -> "list[Any]":
    """Give the entry for whom a call made of the visitor; of no call: who they were before all."""
    return [call, identity.device, identity.distinct_id, identity.identified]


def claimed(past: "Past", now: Identity) -> str:
    """Give the anonymous id that the visitor, who is ``now`` a user, had until then; "" if that is not remembered."""
    if len(past) < 2 or past[-1][2] != now.distinct_id or not is_claim(identity_of(past[-2]), now):
        return ""
    return str(past[-2][2])


def is_forgotten(past: "Past", call: str) -> bool:
    """Tell whether a call was made before all that is remembered: an id that it would claim may be a stranger's."""
    return bool(call < past[0][0])


def identity_of(each: "list[Any]") -> Identity:
    """Give who the visitor was after an entry."""
    return Identity(each[1], each[2], each[3])


def kept(past: "Past") -> "Past":
    """Give what of a past is worth storing."""
    first = len(past) - KEPT
    while first > 0 and ids.time_of(past[-1][0]) - ids.time_of(past[first][0]) < RECENT:
        first -= 1
    return past[max(first, 0) :]


def until(past: "Past", call: str) -> "Past":
    """Give what a call carries: who it made of the visitor, and who they were before."""
    return [each for each in past if each[0] <= call][-CARRIED:]


def joined(ours: "Past", theirs: "Past") -> "Past":
    """Give the past that both tell of; where they disagree about a call, theirs is right."""
    found = {each[0]: each for each in ours}
    found.update({each[0]: each for each in theirs})
    return [found[call] for call in sorted(found)][-MOST:]


def overtaken(past: "Past", identity: Identity, active: float) -> "Past":
    """Give the past of somebody who is ``identity`` by a call that it does not hold, made until ``active`` (ms).

    Another subdomain has done that, or a page whose localStorage is still on its way here: cookies travel faster.
    """
    at = max(ids.uuid7(active, bytes(ids.RANDOM_BYTES)), str(past[-1][0]))
    return joined(past, [entry(at, identity)])


def is_shared(ours: "Past", theirs: "Past", distinct_id: str) -> bool:
    """Tell whether ``theirs``, of somebody who is ``distinct_id`` now, is the past of a visitor whom ours knows."""
    known = [each[2] for each in ours]
    return distinct_id in known or any(each[2] in known for each in theirs)


def whole(kept: "Any") -> "Past":
    """Give the entries of a past from storage that are what they should be."""
    return [each for each in kept if _is_entry(each)] if isinstance(kept, list) else []


def _is_entry(each: "Any") -> bool:
    if not isinstance(each, list) or len(each) != 4 or not isinstance(each[3], bool):
        return False
    return all(isinstance(text, str) for text in each[:3]) and (not each[0] or ids.is_uuid(each[0]))
