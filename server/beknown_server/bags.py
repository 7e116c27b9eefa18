"""Property bags and values as they came: made plain quickly, cleaned, and shown in few characters. Pure."""

from __future__ import annotations

from typing import Any

import orjson
from beknown.values import MAX_STRING, plain_properties

MAX_SHOWN = 80  # characters of a value in an example

_EASY = {str, bool, int, type(None)}


def clean(text: str) -> str:
    """Give a text that every database takes."""
    return text.replace("\0", "\ufffd")  # PostgreSQL cannot store NUL in text


def shown(value: Any) -> str:
    """Give a short text of any value."""
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "an object"
    return value[:MAX_SHOWN] if isinstance(value, str) else orjson.dumps(value).decode()


def plain_bag(given: dict[str, Any], what: str) -> tuple[dict[str, Any], list[str]]:
    """Do as values.plain_properties does; quickly, because most of what JSON can say is plain as it is."""
    hard = {name: value for name, value in given.items() if type(value) not in _EASY}
    if _written(given) > MAX_STRING:  # else no text in it can be longer
        hard |= {name: value for name, value in given.items() if type(value) is str and len(value) > MAX_STRING}
    kept = dict(given)
    if not hard:
        return kept, []
    mended, dropped = plain_properties(hard, what)
    kept.update(mended)
    for name in hard.keys() - mended.keys():
        del kept[name]
    return kept, dropped


def _written(given: dict[str, Any]) -> int:
    try:
        return len(orjson.dumps(given))
    except orjson.JSONEncodeError:  # nested deeper, or a number longer, than it writes
        return MAX_STRING + 1
