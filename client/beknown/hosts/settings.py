"""What ``init`` takes beside key and address: the tag's data- attributes, written as Python writes them.

Rules:
- Pure: names and values in, names and texts out. What an option means is the tag's to say (persistence.py, ...).
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

KNOWN = "pageviews persistence cookie_domain consent respect_gpc bots deny mask".split()  # those of Python's own page
ON_BY_ITSELF = {"pageviews": "off", "respect_gpc": "false"}  # and how they are turned off


def attributes(options: "dict[str, Any]") -> "dict[str, str]":
    """Give options as the tag's dataset has them: ``False`` is absent, unless what it turns off is on by itself."""
    found = {}
    for name, value in options.items():
        if value is None or (value is False and name not in ON_BY_ITSELF):
            continue
        if value is False:
            text = ON_BY_ITSELF[name]
        elif isinstance(value, (list, tuple)):
            text = ",".join([str(each) for each in value])
        else:
            text = "true" if value is True else str(value)
        found[_camel(name)] = text
    return found


def _camel(name: str) -> str:
    """Give the name under which the tag's dataset has an attribute: cookie_domain -> cookieDomain."""
    words = name.split("_")
    return words[0] + "".join([word[:1].upper() + word[1:] for word in words[1:]])
