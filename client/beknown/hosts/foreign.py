"""Whatever a page's Python holds, as plain data: JavaScript's values are read here, Python's in objects.py.

    null, undefined      None
    BigInt               int
    object, array        their JSON, if nothing in them is refused
    Date, URL            their JSON: text
    anything else        refused by its name: of Map, Set, Error and Promise JSON would show an empty object

Rules:
- Looked at before JSON is asked for, and only by what cannot throw: what JavaScript throws in a call goes through
  MicroPython's ``try`` into the page (a BigInt inside, a cycle).
- Whatever a value's own methods raise costs that value alone.
"""

import json
import sys

from .. import values
from ..errors import BadValue
from .objects import exact, plain_form

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

IN_BROWSER = sys.platform in ("emscripten", "webassembly")
if IN_BROWSER:
    import js  # type: ignore[import-not-found]

    if sys.implementation.name == "micropython":
        from jsffi import JsProxy, create_proxy  # type: ignore[import-not-found]
    else:
        from pyodide.ffi import JsProxy, create_proxy  # type: ignore[import-not-found]

NOTHING = ("JsNull", "undefined")  # Pyodide's type and MicroPython's
WHOLE = ("Date", "URL", "String", "Number", "Boolean")


def is_promise(value: "Any") -> bool:
    """Tell a promise of JavaScript's from all else."""
    return IN_BROWSER and isinstance(value, JsProxy) and _kind(value) == "Promise"


def when_settled(promise: "Any", done: "Callable[[bool], None]") -> None:
    """Call a function once a promise is settled: whether it was kept."""

    def settled(is_kept: bool) -> None:
        done(is_kept)
        for each in both:
            if hasattr(each, "destroy"):  # Pyodide's, which live until then
                each.destroy()

    both = [create_proxy(lambda _: settled(True)), create_proxy(lambda _: settled(False))]
    promise.then(both[0], both[1])


def plain(value: "Any", where: str) -> "Any":
    """Give any value of the page's Python as it may travel, the same whether JavaScript carries it or not."""
    return exact(values.plain(value, where, plainer), where)


def plainer(value: "Any", where: str) -> "Any":
    """Give a plainer form of what is no plain data; raise BadValue naming ``where`` if there is none."""
    try:
        if type(value).__name__ in NOTHING:
            return None
        if IN_BROWSER and isinstance(value, JsProxy):
            return _read(value, where)
        return plain_form(value, where)
    except BadValue:
        raise
    except Exception as error:  # of the value's own methods
        raise BadValue(f"{where} could not be read ({error!r}); left out.") from None


def _read(value: "Any", where: str) -> "Any":
    if _kind(value) == "BigInt":
        return int(str(js.String(value)))
    _look(value, where, values.MAX_DEPTH, [values.MAX_ITEMS])
    return json.loads(js.JSON.stringify(value))


def _look(value: "Any", where: str, depth: int, budget: "list[int]") -> None:
    """Refuse what JSON would show nothing of, or fail at; and what is too large, before it is gone through."""
    kind = _kind(value)
    if kind == "Array":
        _spend(budget, js.Reflect.get(value, "length"), where)
    names: "Any" = js.Object.keys(value) if kind in ("Object", "Array") else []
    if kind == "Object":
        _spend(budget, names.length, where)
        kind = kind if names.length else _class(value)
    if kind in WHOLE:
        return
    if kind not in ("Object", "Array") or depth < 0:
        what = f"a JavaScript {kind}" if depth >= 0 else "too deep, or a cycle"
        raise BadValue(
            f"{where} is {what}, which cannot be sent; left out. Pass text, a number, an object or an array."
        )
    for place in range(names.length):
        inner = js.Reflect.get(value, names[place])
        if isinstance(inner, JsProxy) or type(inner).__name__ == "JsBigInt":
            _look(inner, f"{where}.{names[place]}", depth - 1, budget)


def _spend(budget: "list[int]", items: int, where: str) -> None:
    budget[0] -= items
    if budget[0] < 0:
        raise BadValue(f"{where} is too large (over {values.MAX_ITEMS} values); left out.")


def _kind(value: "Any") -> str:
    """Give what JavaScript calls a value: ``[object Map]`` is a Map."""
    return str(js.Object.prototype.toString.call(value))[8:-1]


def _class(value: "Any") -> str:
    """Give the class of what shows nothing: "Object" of what has none. A class may hide all; to a worker, errors and
    dates of the page's look like that."""
    maker = js.Reflect.get(value, "constructor")
    return str(js.Reflect.get(maker, "name") or "object that hides all") if isinstance(maker, JsProxy) else "Object"
