"""What a call is given, as it may travel: plain data, with one sentence for each part that had to be left out.

Rules:
- Of a bag of properties the usable part is kept; one that is no bag costs itself, never its call.
- Any other argument is kept whole, or refused (BadValue).
"""

from .. import values
from ..errors import BadValue
from . import foreign

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Bag = dict[str, Any]
    Say = Callable[[str], None]

# What a complaint calls each argument of a call, as the tracker does; of others, the call's name
LABELS = {
    "capture": ["event", "properties", "options"],
    "identify": ["distinct_id", "set", "set_once", "proof"],
    "set_person_properties": ["set", "set_once"],
    "group": ["type", "key", "group properties"],
}
EDITED = "before_send()"  # what calls the event that such a function gives
BAGS = "properties/set/set_once/group properties/options.$set/options.$set_once".split("/")  # and of register*()
BAGS += [EDITED + ".properties", EDITED + ".$set", EDITED + ".$set_once"]


def plain(call: str, args: "list[Any]", say: "Say") -> "list[Any]":
    """Give a call's arguments as JSON can hold them; ``say`` is told what is left out. May raise BadValue."""
    labels = LABELS.get(call, [call + "()"])
    return [argument(labels[min(place, len(labels) - 1)], arg, say) for place, arg in enumerate(args)]


def argument(label: str, arg: "Any", say: "Say") -> "Any":
    """Give one argument as JSON can hold it; of a bag of properties, the usable part."""
    if label in BAGS or label.startswith("register"):
        return bag(label, arg, say)
    if label == "options" and not isinstance(arg, (str, int, float)):
        return _in_parts(label, arg, say)
    return foreign.plain(arg, label)


def options(given: "Any", **named: "Any") -> "Any":
    """Give a call's options, JavaScript's object of them or what is in its place, with those that Python has named."""
    if given is None or isinstance(given, dict):
        return named | (given or {})
    return given


def event(given: "Any", say: "Say") -> "Bag | None":
    """Give an event that before_send() gave as it may travel; None, which drops it, is itself."""
    if given is None:
        return None
    return _in_parts(EDITED, given, say)


def _in_parts(label: str, arg: "Any", say: "Say") -> "Bag":
    """Give the usable part of a bag, some of whose members are bags themselves."""
    return bag(label, arg, say, lambda value, where: argument(where, value, say))


def bag(label: str, arg: "Any", say: "Say", convert: "Callable[[Any, str], Any]" = foreign.plain) -> "Bag":
    """Give the usable part of a bag of properties, a mapping or an object of JavaScript's; say what is not."""
    try:
        if arg is not None and not isinstance(arg, (dict, str, int, float)):
            arg = foreign.plainer(arg, label)
        kept, complaints = values.plain_properties(arg, label, convert)
    except BadValue as refusal:
        kept, complaints = {}, [str(refusal)]
    for complaint in complaints:
        say(complaint)
    return kept
