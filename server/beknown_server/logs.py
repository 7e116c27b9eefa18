"""The log: one line for each thing that an operator should know, on standard error; as text or as JSON.

Rules:
- Nothing personal: no request is logged, no address, no key, no id. What went wrong is told by the error's type and
  where it was raised; its own words may quote what a visitor sent, so they are left out.
- Everything goes through here, also what gunicorn says.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from typing import Any

import orjson
from beknown.wire import iso
from gunicorn.glogging import Logger  # type: ignore[import-untyped]

LEVEL = logging.WARNING
MOST_FRAMES = 12

# What gunicorn quotes of a request: who sent it, and its address with the query.
_PRIVATE = re.compile(r"(?<= from ip=).*|(?<=Error handling request ).*")


def begin(form: str) -> None:
    """Write the log of this process, and of those forked from it, in a form: ``text`` or ``json``."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(AsJson() if form == "json" else AsText())
    logging.basicConfig(level=LEVEL, handlers=[handler], force=True)


class Through(Logger):  # type: ignore[misc]
    """gunicorn's log, through ours."""

    def setup(self, cfg: Any) -> None:
        """Let what is logged go on to the handler of all."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class AsJson(logging.Formatter):
    """One JSON object a line: time, level, logger, message; error and where it was raised, if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        return orjson.dumps(told(record)).decode()


class AsText(logging.Formatter):
    """The same, for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        said = told(record)
        error = f" [{said['error']} at {' < '.join(said['at'])}]" if "error" in said else ""
        return f"{said['time']} {said['level']} {said['logger']}: {said['message']}{error}"


def told(record: logging.LogRecord) -> dict[str, Any]:
    """Give what is told of a record."""
    said: dict[str, Any] = {
        "time": iso(int(record.created * 1000)),
        "level": record.levelname.lower(),
        "logger": record.name,
        "process": record.process,
        "message": _PRIVATE.sub("(left out)", record.getMessage().replace("\n", " ")),
    }
    if record.exc_info and record.exc_info[0] is not None:
        frames = traceback.extract_tb(record.exc_info[2])[-MOST_FRAMES:]
        said["error"] = record.exc_info[0].__name__
        said["at"] = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in reversed(frames)]
    return said
