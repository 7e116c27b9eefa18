"""An uncaught Python exception as an event: the traceback's shape, and none of its values.

A traceback arrives as text, which is all that MicroPython and JavaScript's PythonError have of it. Kept are the type,
and of each frame function, file and line. Left out is the message: people's names, addresses and tokens end up there.

Rules:
- Pure. The form is PostHog's ``$exception_list`` (its error tracking reads it), the message being empty.
- Frames of the interpreter and of this library are not the page's: left out.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_FRAMES = 50  # the innermost; a recursion has a thousand
STRANGERS = ("/_pyodide/", "/pyodide/", "/asyncio/", "<frozen", "/beknown/")


def shape(traceback: str) -> "dict[str, Any]":
    """Give the properties of an ``$exception`` event for a traceback's text; {} if it is none."""
    frames: "list[dict[str, Any]]" = []
    kind = ""
    for line in traceback.split("\n"):
        if line.startswith("Traceback "):
            frames, kind = [], ""  # of a chain, the last is what nobody caught
        elif line.startswith('  File "'):
            frame = _frame(line)
            if frame and not any(part in frame["filename"] for part in STRANGERS):
                frames.append(frame)
        elif not kind and line and not line.startswith((" ", "\t")):
            kind = _kind(line)  # the first such line; further ones are the message's
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


def _kind(line: str) -> str:
    """Give the exception's type from a line such as ``ValueError: text``; "" if the line is no such line."""
    name = line.partition(":")[0].strip()
    word = name.replace(".", "").replace("_", "")
    if not word or not all("a" <= each <= "z" or "0" <= each <= "9" for each in word.lower()):
        return ""
    last = name.split(".")[-1]
    return name if "A" <= last[:1] <= "Z" else ""
