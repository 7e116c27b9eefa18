"""Projects: a site (or several that share their visitors), its keys, and what it has chosen.

Rules:
- A write key is public and is asked for with every request: who has it is remembered for REMEMBERED_S. Whatever
  another process changes about a project is known here after that time at the latest.
- A secret key is stored as its hash.
"""

from __future__ import annotations

import hashlib
import threading
import time
from typing import Any

import orjson

from .records import Project
from .writer import Connection, Writer

REMEMBERED_S = 1.0


class Remembered:
    """The projects that were asked for lately, by write key."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, Project] = {}
        self._until = 0.0

    def get(self, key: str) -> Project | None:
        """Give the project that a write key names, if that was asked a moment ago."""
        return self._known.get(key) if time.monotonic() < self._until else None

    def keep(self, key: str, project: Project) -> Project:
        """Remember a project, and give it. What was remembered before is forgotten when its time is over."""
        with self._lock:
            now = time.monotonic()
            if now >= self._until:
                self._known, self._until = {}, now + REMEMBERED_S
            self._known[key] = project
        return project

    def forget(self) -> None:
        """Forget everything: a project has changed."""
        self._until = 0.0


class WriteKeys:
    """Write keys replaced. Durable when it returns."""

    def __init__(self, writer: Writer, remembered: Remembered) -> None:
        self._writer = writer
        self._remembered = remembered

    def rotate(self, project_id: int, write_key: str, now: int, *, keep_ms: int) -> None:
        """Give a project another write key; the one that it had is accepted for ``keep_ms`` more."""
        expires = now + keep_ms
        self._writer.run(lambda db: rotate_write_key(db, project_id, write_key, expires=expires))
        self._remembered.forget()


def create(db: Connection, name: str, write_key: str, secret_key: str, now: int) -> Project:
    """Make a project with these keys and give it."""
    db.many("project.add", [{"name": name, "write_key": write_key, "options": "{}", "now": now}])
    made = project(db.all("project.by_write_key", key=write_key, now=now)[0])
    add_secret_key(db, made.id, secret_key, now)
    return made


def add_secret_key(db: Connection, project_id: int, secret_key: str, now: int) -> None:
    """Let one more secret key open a project."""
    db.many("secret_key.add", [{"hash": hashed(secret_key), "project_id": project_id, "now": now}])


def rotate_secret_key(db: Connection, project_id: int, secret_key: str, now: int, *, keep_ms: int) -> None:
    """Add a secret key; the others open the project for ``keep_ms`` more."""
    db.many("secret_key.expire", [{"project_id": project_id, "expires": now + keep_ms}])
    add_secret_key(db, project_id, secret_key, now)


def rotate_write_key(db: Connection, project_id: int, write_key: str, *, expires: int) -> None:
    """Give a project another write key; the one that it had goes on sending until a time (ms)."""
    db.many("former_key.add", [{"project_id": project_id, "expires": expires}])
    db.many("project.write_key", [{"project_id": project_id, "write_key": write_key}])


def hashed(key: str) -> bytes:
    """Give what is stored of a secret key."""
    # A plain hash is enough: secret keys are random, so there is nothing to guess from it.
    return hashlib.sha256(key.encode()).digest()


def project(row: Any) -> Project:
    """Give a row as a project."""
    return Project(row["id"], row["name"], row["write_key"], orjson.loads(row["options"]))
