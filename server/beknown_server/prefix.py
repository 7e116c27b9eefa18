"""A path that browsers reach this server under, such as ``/t`` of the site's own domain (the path of BEKNOWN_URL).

Rules:
- It does not matter whether the proxy in front takes the prefix off or leaves it on: both arrive at the same route.
- The addresses that pages and redirects name begin with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Prefix:
    """A WSGI application under a path."""

    def __init__(self, application: Application, prefix: str) -> None:
        self._application = application
        self._prefix = prefix

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer as the application does, with the prefix where WSGI wants it."""
        path = environ.get("PATH_INFO", "")
        if path == self._prefix or path.startswith(self._prefix + "/"):
            path = path[len(self._prefix) :]
        return self._application(environ | {"SCRIPT_NAME": self._prefix, "PATH_INFO": path or "/"}, start_response)
