"""What the site keeps to itself, one row each of the table ``site``: what signs sessions, and the salt of the day."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

Ask = Callable[..., list[Any]]
Run = Callable[[Callable[[Any], None]], None]


def secret(ask: Ask, run: Run) -> str:
    """Give what sessions are signed with, made now if it is not there yet."""
    if not (rows := ask("site.secret")):
        run(lambda db: db.many("site.make", [{"secret": secrets.token_urlsafe(32)}]))
        rows = ask("site.secret")
    return str(rows[0]["secret"])


def salt_of(ask: Ask, run: Run, day: str) -> str:
    """Give the salt of a day. Of several processes that make it at once one succeeds; an earlier day's is gone then."""
    rows = ask("site.salt")
    if not rows or rows[0]["secret"] < day:
        made = {"secret": f"{day} {secrets.token_hex(16)}", "day": day}
        run(lambda db: db.many("site.salted", [made]))
        rows = ask("site.salt")
    return str(rows[0]["secret"])
