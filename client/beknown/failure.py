"""An uncaught Python exception as an event: the traceback's shape, and none of its values.

A traceback arrives as text, which is all that MicroPython and JavaScript's PythonError have of it. Kept are the type,
and of each frame function, file and line. Left out is the message: people's names, addresses and tokens end up there.

Rules:
- Pure. The form is PostHog's ``$exception_list`` (its error tracking reads it), the message being empty.
- Frames of the interpreter, of PyScript and of this library are not the page's: left out.
- The type stands in the first line after the frames, and nowhere else: the lines that follow are the message's.
"""

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_FRAMES = 50  # the innermost; a recursion has a thousand
BEGINNINGS = ("Traceback ", "  + Exception Group Traceback ")
LINKS = ("During handling of ", "The above exception was ")  # between the parts of a chain
MARGIN = "  | "  # before the lines of a group
STRANGERS = ("_pyodide", "pyodide", "asyncio", "pyscript", "beknown")  # packages
# Where they lie, and the app's own modules as well: Pyodide's working folder, its library; MicroPython's is none.
PLACES = re.compile(r"(/home/pyodide|/lib/python[^/]*(/site-packages)?|/lib|[.])?/?")


def shape(traceback: str) -> "dict[str, Any]":
    """Give the properties of an ``$exception`` event for a traceback's text; {} if it is none."""
    frames: "list[dict[str, Any]]" = []
    kind, margin, may_begin = "", "", True
    for line in traceback.split("\n"):
        if line.startswith(margin):
            line = line[len(margin) :]
        if may_begin and line.startswith(BEGINNINGS):
            frames, kind, may_begin = [], "", False  # of a chain, the last is what nobody caught
            margin = MARGIN if line.startswith(" ") else ""
        elif kind:
            may_begin = may_begin or line.startswith(LINKS)
        elif line.startswith('  File "'):
            frame = _frame(line)
            if frame and not _is_strange(frame["filename"]):
                frames.append(frame)
        elif not may_begin and line and not line.startswith((" ", "\t")):
            kind = _kind(line)
    if not kind:
        return {}
    stack = {"type": "raw", "frames": frames[-MAX_FRAMES:]}
    return {"$exception_list": [{"type": kind, "value": "", "stacktrace": stack}], "$exception_level": "error"}


def _frame(line: str) -> "dict[str, Any] | None":
    """Read ``  File "main.py", line 3, in handler``."""
    file, _, rest = line[8:].partition('", line ')
    number, _, function = rest.partition(", in ")
    if not number.strip().isdigit():
        return None
    return {
        "platform": "python",
        "filename": file,
        "function": function.strip() or "<module>",
        "lineno": int(number),
    }


def _is_strange(file: str) -> bool:
    """Tell whether a file is none of the page's."""
    place = PLACES.match(file)
    package, is_in_it, _ = file[len(place.group(0)) if place else 0 :].partition("/")
    return file.startswith("<frozen") or bool(is_in_it and package in STRANGERS)


def _kind(line: str) -> str:
    """Give the exception's type from a line such as ``shop.Refused: text``; "Exception" if no name is to be read."""
    name = line.partition(":")[0].strip()
    word = name.replace("<locals>", "").replace(".", "").replace("_", "").lower()
    is_name = all("a" <= each <= "z" or "0" <= each <= "9" or each > "\x7f" for each in word)
    return name if word and is_name else "Exception"
