"""Property bags, ids and values as they came: made plain quickly, cleaned, and shown in few characters. Pure."""

from __future__ import annotations

from typing import Any

import orjson
from beknown.values import MAX_DEPTH, MAX_ITEMS, MAX_STRING, REFUSED, plain_properties
from beknown.wire import MAX_ID

MAX_SHOWN = 80  # characters of a value in an example

_EASY = {str, bool, int, type(None)}
_REFUSED = orjson.dumps(REFUSED)


def clean(text: str) -> str:
    """Give a text that every database takes."""
    return text.replace("\0", "\ufffd")  # PostgreSQL cannot store NUL in text


def mended(text: str) -> str:
    """Give a text with U+FFFD for each half of an emoji, which no database takes either."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def kept_id(text: str) -> str:
    """Give an id as it is stored when it comes as ``text``."""
    return clean(mended(text)[:MAX_ID])


def as_id(value: Any) -> str:
    """Give a distinct id as text, as upstream does: numbers as digits, anything else as its JSON text."""
    if isinstance(value, str):
        return value
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:  # nested deeper than it writes, though not than it reads
        return "[object Object]"


def shown(value: Any) -> str:
    """Give a short text of any value."""
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "an object"
    return value[:MAX_SHOWN] if isinstance(value, str) else orjson.dumps(value).decode()


def plain_bag(given: dict[str, Any], what: str) -> tuple[dict[str, Any], list[str]]:
    """Do as values.plain_properties does with what was JSON; quickly, because most of it is plain as it is."""
    kept = dict(given)
    if _is_plain(given):
        return kept, []
    hard = {
        name: value
        for name, value in given.items()
        if type(value) not in _EASY or (type(value) is str and len(value) > MAX_STRING)
    }
    mended, dropped = plain_properties(hard, what)
    kept.update(mended)
    for name in hard.keys() - mended.keys():
        del kept[name]
    return kept, dropped


def _is_plain(given: dict[str, Any]) -> bool:
    """Tell whether it is so small, with so few brackets and commas, that nothing in it can be too much."""
    try:
        text = orjson.dumps(given)
    except orjson.JSONEncodeError:  # nested deeper, or a number longer, than it writes
        return False
    return (
        len(text) <= MAX_STRING
        and text.count(b"[") + text.count(b"{") <= MAX_DEPTH
        and text.count(b",") < MAX_ITEMS - MAX_DEPTH  # a list is a value, too
        and _REFUSED not in text
    )
