"""What may be a property: plain JSON values, finite, bounded in depth and length. One table for every runtime.

    str                     kept; cut at MAX_STRING characters; U+FFFD for half an emoji
    bool, int, None         kept
    float                   kept if finite; NaN and infinities become None, as in posthog-js
    list, tuple, set        list
    dict                    dict; keys become text
    has .isoformat(), .tolist(), .item()
                            what they answer (dates, numpy and its like)
    {"$refused": what}      refused: what the stub found in the page and JSON cannot hold (an element, a cycle, ...)
    anything else           ``foreign`` makes it one of these (backends know more types than pages do), or
                            refused, with its type and place

Rules:
- Pure, and the only door: nothing reaches ``json.dumps`` that has not passed here. MicroPython's writes
  *invalid JSON* for NaN, sets and objects, without an error.
- ``bool`` is asked before ``int``: on MicroPython a bool is not an int, on CPython it is.
- A refused property costs that property, never its event.
"""

import hashlib
import json

from .errors import BadValue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

MAX_DEPTH = 20  # MicroPython's json.dumps overflows its stack near 200 levels; no real property is this deep
MAX_STRING = 65535  # posthog-js cuts here as well (properties_string_max_length)
MAX_ITEMS = 10000  # values in one property, all levels together

REFUSED = "$refused"  # static/beknown.js puts it in the place of what is nothing to JSON

_INFINITY = float("inf")


def unknown(value: "Any", where: str) -> "Any":
    """Ask dates, numpy's scalars and arrays, and all that is like them, for their plain form; refuse the rest."""
    for way in ("isoformat", "tolist", "item"):
        if hasattr(value, way):
            return getattr(value, way)()
    raise BadValue(
        f"{where} is a {type(value).__name__}, which cannot be sent; left out. Pass text, a number or a list."
    )


def plain(value: "Any", where: str = "value", foreign: "Callable[[Any, str], Any]" = unknown) -> "Any":
    """Give ``value`` as plain JSON data; raise BadValue naming the place ``where`` it cannot be."""
    return _plain(value, where, MAX_DEPTH, [MAX_ITEMS], foreign)


def plain_properties(
    properties: "Any", what: str = "properties", convert: "Callable[[Any, str], Any]" = plain
) -> "tuple[dict[str, Any], list[str]]":
    """Give the usable part of a property bag, and one sentence for each property that was left out."""
    if properties is None:
        return {}, []
    if not isinstance(properties, dict):
        return {}, [f"{what} must be an object of names and values, not {type(properties).__name__}; ignored."]
    kept: "dict[str, Any]" = {}
    complaints = []
    for name, value in properties.items():
        try:
            name = _name(name, what)
            kept[name] = convert(value, f"{what}.{name}")
        except BadValue as refusal:
            complaints.append(str(refusal))
    return kept, complaints


def _name(name: "Any", where: str) -> str:
    """Give a property's name as text; raise BadValue if it has none."""
    try:
        return str(whole(str(name)))
    except Exception:  # of the name's own __str__
        raise BadValue(f"{where} has a {type(name).__name__} for a name, which has no text; left out.") from None


def _plain(value: "Any", where: str, depth: int, budget: "list[int]", foreign: "Callable[[Any, str], Any]") -> "Any":
    budget[0] -= 1
    if depth < 0 or budget[0] < 0:
        raise BadValue(f"{where} is too deep or too large (over {MAX_DEPTH} levels or {MAX_ITEMS} values); left out.")
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        return whole(value)[:MAX_STRING]
    if isinstance(value, float):
        return value if -_INFINITY < value < _INFINITY else None
    if isinstance(value, dict):
        if REFUSED in value:
            raise BadValue(
                f"{where} is {value[REFUSED]}, which cannot be sent; left out. Pass text, a number or a list."
            )
        names = [_name(name, where) for name in value]
        return {
            name: _plain(inner, f"{where}.{name}", depth - 1, budget, foreign)
            for name, inner in zip(names, value.values())
        }
    if isinstance(value, (list, tuple, set)):
        return [_plain(inner, f"{where}[]", depth - 1, budget, foreign) for inner in value]
    return _plain(foreign(value, where), where, depth - 1, budget, foreign)


def parsed(text: str) -> "Any":
    """Give what a text of JSON holds, with no half of an emoji in it. Raises what json.loads does."""
    # So does each half begin that was written in ASCII, and each whole one that CPython wrote.
    return whole(json.loads(text)) if "\\ud" in text else json.loads(text)


def whole(value: "Any", depth: int = 2 * MAX_DEPTH) -> "Any":
    """Give plain data with U+FFFD for each half of an emoji, which a text that was cut may have; what lies deeper than
    any property stays as it is.

    CPython cannot encode a half, and JavaScript's border mangles it. MicroPython reads an escaped emoji as two of them:
    such are put together.
    """
    if isinstance(value, dict) and depth:
        return {whole(name): whole(inner, depth - 1) for name, inner in value.items()}
    if isinstance(value, list) and depth:
        return [whole(inner, depth - 1) for inner in value]
    if not isinstance(value, str):
        return value
    try:
        if b"\xed" not in value.encode():  # with which each half begins in UTF-8
            return value
    except UnicodeError:  # CPython's, of a half
        pass
    points = [0]
    for point in [ord(letter) for letter in value]:
        if 0xDC00 <= point < 0xE000 and 0xD800 <= points[-1] < 0xDC00:
            points[-1] = points[-1] * 1024 + point - 0x35FDC00
        else:
            points.append(point)
    return "".join([chr(0xFFFD if 0xD800 <= point < 0xE000 else point) for point in points[1:]])


def fingerprint(value: "Any") -> str:
    """Give a short text that is equal for equal plain values, whatever the order of their keys."""
    return "%x" % (int.from_bytes(hashlib.sha256(canonical(value).encode()).digest()[:8], "big"))


def canonical(value: "Any") -> str:
    """Give plain data as one text with sorted keys, the same on every runtime.

    MicroPython's json.dumps has no sort_keys, leaves text unescaped and writes other last digits of a float.
    """
    if isinstance(value, dict):
        return "{" + "".join([canonical(name) + canonical(value[name]) for name in sorted(value)]) + "}"
    if isinstance(value, list):
        return "[" + "".join([canonical(inner) for inner in value]) + "]"
    if isinstance(value, str):
        return "%d:%s" % (len(value), value)
    if isinstance(value, float) and value != int(value):
        return "%d/" % int(value * 1e9)
    return f"{value}," if value is None or isinstance(value, bool) else "%d," % value
