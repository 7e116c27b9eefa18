"""Keys of projects, and the first project.

bk_...   write key: public, stands in the page, opens nothing
bks_...  secret key: opens the project's data; stored hashed, shown once
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from .settings import Settings
from .store import Project, Store

RANDOM_BYTES = 20  # 160 bits: not to be guessed, and short enough to paste


def new_write_key() -> str:
    """Give a fresh write key."""
    return "bk_" + _random()


def new_secret_key() -> str:
    """Give a fresh secret key."""
    return "bks_" + _random()


def _random() -> str:
    # Letters and digits only: a double click selects the whole key.
    alphabet = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    return "".join(secrets.choice(alphabet) for _ in range(RANDOM_BYTES + 7))


@dataclass(frozen=True, slots=True)
class First:
    """The first project; ``secret_key`` only if it was made just now, to be shown once."""

    project: Project
    secret_key: str | None


def first_project(store: Store, settings: Settings, *, now: int) -> First:
    """Give the first project, made if there is none, with the keys that the settings name."""
    known = store.project_by_write_key(settings.key) if settings.key else next(iter(store.projects()), None)
    if known is None:
        secret = settings.secret_key or new_secret_key()
        made = store.create_project("First project", settings.key or new_write_key(), secret, now)
        return First(made, None if settings.secret_key else secret)
    if settings.secret_key and store.project_by_secret_key(settings.secret_key, now=now) is None:
        store.add_secret_key(known.id, settings.secret_key, now)
    return First(known, None)
