"""Python's own objects as plain data: what values.py leaves to its host, for Python in a page.

    Enum                       its value
    Decimal                    float
    UUID, Path                 text
    timedelta                  seconds
    bytes, bytearray           their text, if it is UTF-8
    dataclass, pydantic        an object of its fields
    has .items()               an object (Counter, ChainMap, mapping proxies)
    has .isoformat()           its ISO 8601 text (date, time, datetime)
    has .tolist(), .item()     what they answer (numpy, pandas, and their like)
    other collections          a list (frozenset, deque, range, dict views)
    int from 2**53 on          its text: JavaScript would round it, and make one id of two (2**1024 and on: refused)

Rules:
- Known by what they have, not by their class: MicroPython has few of these classes, and a page should not load them
  to be asked. So the answer is the same on every runtime.
- What can be gone through only once stays whole: generators, iterators and open files are refused.
"""

from ..errors import BadValue
from ..values import MAX_ITEMS, unknown
from ..wire import INEXACT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

AS_TEXT = ("__fspath__", "urn")  # paths, UUIDs
SAYING = ("isoformat", "tolist", "item")  # dates, arrays, scalars
ONCE = ("__next__", "send", "read")  # iterators, generators, files
MAX_INT = 1 << 1024  # where its numbers end; CPython's str() refuses some thousand digits, MicroPython's none


def plain_form(value: "Any", where: str) -> "Any":
    """Give an object's plainer form, whose parts may be objects again; raise BadValue naming ``where`` without one."""
    if isinstance(value, type):
        return unknown(type(value), where)
    if hasattr(value, "_value_"):
        return value.value
    if isinstance(value, (bytes, bytearray)):
        return _text(value, where)
    if any(hasattr(value, name) for name in AS_TEXT):
        return str(value)
    if type(value).__name__ == "Decimal":
        return float(value)
    if hasattr(value, "total_seconds"):
        return value.total_seconds()
    if hasattr(value, "__dataclass_fields__"):
        return {name: getattr(value, name) for name, field in value.__dataclass_fields__.items() if _is_kept(field)}
    if hasattr(value, "model_dump"):
        return value.model_dump()
    _measure(value, where)
    if any(hasattr(value, name) for name in SAYING + ONCE):
        return unknown(value, where)
    try:
        return dict(value.items()) if hasattr(value, "items") else list(value)
    except TypeError:
        return unknown(value, where)


def exact(value: "Any", where: str = "value") -> "Any":
    """Give plain data with text for each whole number that JavaScript would round."""
    if isinstance(value, dict):
        return {name: exact(inner, f"{where}.{name}") for name, inner in value.items()}
    if isinstance(value, list):
        return [exact(inner, f"{where}[]") for inner in value]
    if not isinstance(value, int) or abs(value) < INEXACT:
        return value
    if abs(value) >= MAX_INT:
        raise BadValue(f"{where} is a number of more than 308 digits; left out.")
    return str(value)


def _measure(value: "Any", where: str) -> None:
    """Refuse what is too large before it is gone through. ``size`` is numpy's and pandas' count over all dimensions."""
    size = getattr(value, "size", None)
    if not isinstance(size, int):
        try:
            size = len(value)
        except TypeError:
            return
    if size > MAX_ITEMS:
        raise BadValue(f"{where} is too large (over {MAX_ITEMS} values); left out.")


def _is_kept(field: "Any") -> bool:
    """Tell a dataclass's field from what only looks like one: InitVar, ClassVar."""
    return str(getattr(field, "_field_type", "_FIELD")) == "_FIELD"


def _text(value: "Any", where: str) -> str:
    try:
        return str(bytes(value).decode())
    except ValueError:  # UnicodeError is one
        raise BadValue(f"{where} is bytes that are no UTF-8 text; left out. Pass text, or their base64.") from None
