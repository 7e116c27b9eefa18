"""Warnings in the database: what was refused or mended, counted by code, with an example.

Rules:
- Their lock is the last that a transaction takes (LAST in writer.py). Else who counts, and then waits for a project,
  would hold up who deletes somebody of that project and replaces the examples that name them, and the other way round.
- An example that names somebody who is deleted is replaced, also where it shows only the id's beginning, or the id as
  Python writes it.
"""

from __future__ import annotations

from typing import Any

from ..bags import MAX_SHOWN
from .writer import Connection

NOBODYS = 0  # the project of warnings that belong to none; its lock is that of all warnings
REPLACED = "(an example that named somebody who was deleted)"


def count(db: Connection, rows: list[dict[str, Any]]) -> None:
    """Add what was counted."""
    db.lock(NOBODYS)
    db.many("warning.count", rows)


def unname(db: Connection, project_id: int, names: list[str]) -> None:
    """Replace the examples that name one of these ids."""
    db.lock(NOBODYS)
    quoted = {text for name in names for text in _quoted(name)}
    quoting = [
        {"project_id": row["project_id"], "code": row["code"], "example": REPLACED}
        for row in db.all("warning.examples", project_id=project_id)
        if any(text in row["example"] for text in quoted)
    ]
    db.many("warning.replace", quoting)


def _quoted(name: str) -> set[str]:
    """Give how an example may have written an id: whole, or cut as ``bags.shown`` does it."""
    whole, cut = (repr(text)[1:-1] for text in (name, name[:MAX_SHOWN]))
    return {name[:MAX_SHOWN], whole, cut}
