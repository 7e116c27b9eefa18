"""The outermost part of the library's wall: a call that Python itself refuses, for its arguments do not fit.

Rules:
- An argument that is missing, one too many or of an unknown name is said in the console, never raised into the page.
- What can be called without arguments is then called without them: a log-out with a slip of the pen is a log-out.
"""

import functools

from ..errors import BadCall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def forgiving(name: str, method: "Callable[..., Any]") -> "Callable[..., Any]":
    """Give the method that does the same, and explains itself where it is called with arguments it does not take."""

    def called(self: "Any", *args: "Any", **named: "Any") -> "Any":
        try:
            return method(self, *args, **named)
        except TypeError as error:  # of these arguments: whatever else fails has ended at the method's own wall
            self._explain(name, BadCall(f"its arguments do not fit ({error}). See help(beknown.{name})."))
        try:
            return method(self)
        except TypeError:
            return nothing

    return functools.wraps(method)(called)


def nothing(*_: object) -> None:
    """Stand for the function that ``on`` would have given."""
