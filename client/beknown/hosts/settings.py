"""What ``init`` takes beside key and address: the tag's data- attributes, written as Python writes them.

Rules:
- Pure: names and values in, names and texts out. What an option means is the tag's to say (persistence.py, ...).
"""

from .. import permission, persistence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

KNOWN = "pageviews persistence cookie_domain consent respect_gpc bots deny mask".split()  # those of Python's own page
# What True and False are where they are not "true" and nothing.
WORDS = {
    "pageviews": {False: "off"},
    "respect_gpc": {False: "false"},
    "consent": {True: permission.GRANTED, False: permission.DENIED},
}
CONSENT = (permission.GRANTED, permission.PENDING, permission.COOKIELESS, permission.DENIED)


def attributes(options: "dict[str, Any]") -> "dict[str, str]":
    """Give options as the tag's dataset has them: ``False`` is absent, unless it has a word of its own there."""
    found = {}
    for name, value in options.items():
        words = WORDS.get(name, {})
        if isinstance(value, bool) and value in words:
            found[_camel(name)] = words[value]
        elif isinstance(value, (list, tuple)):
            found[_camel(name)] = ",".join([str(each) for each in value])
        elif value is not None and value is not False:
            found[_camel(name)] = "true" if value is True else str(value)
    return found


def complaints(given: "dict[str, str]") -> "list[str]":
    """Say what is wrong with attributes that are given."""
    found = [persistence.complaint(given)]
    wanted = given.get("consent") or permission.GRANTED
    if wanted not in CONSENT:
        found.append(f"consent={wanted!r} is none of {', '.join(CONSENT)}; it counts as pending: nothing is sent.")
    return [text for text in found if text]


def _camel(name: str) -> str:
    """Give the name under which the tag's dataset has an attribute: cookie_domain -> cookieDomain."""
    words = name.split("_")
    return words[0] + "".join([word[:1].upper() + word[1:] for word in words[1:]])
