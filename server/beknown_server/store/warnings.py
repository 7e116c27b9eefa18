"""Warnings in the database: what was refused or mended, counted by code, with an example.

Rules:
- Their lock is the last that a transaction takes (LAST in writer.py). Else who counts, and then waits for a project,
  would hold up who deletes somebody of that project and replaces the examples that name them, and the other way round.
- An example that names somebody who is deleted is replaced.
"""

from __future__ import annotations

from typing import Any

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
    quoting = [
        {"project_id": row["project_id"], "code": row["code"], "example": REPLACED}
        for row in db.all("warning.examples", project_id=project_id)
        if any(name in row["example"] for name in names)
    ]
    db.many("warning.replace", quoting)
