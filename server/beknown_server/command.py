"""What every command of the command line is made of: options that are settings, the store, the project meant."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import click

from .errors import Misconfigured
from .serving import ready_store
from .settings import OPTIONS, Settings, read_settings
from .store import Project, Store

Command = Callable[..., Any]


def settings_options(*names: str) -> Callable[[Command], Command]:
    """Give a command the options of these settings."""

    def add(command: Command) -> Command:
        for option in reversed([one for one in OPTIONS if one.name in names]):
            flag = "--" + option.name.replace("_", "-")
            text = f"{option.help}  [{option.variable}; {option.default!r}]"
            if option.name == "migrate":
                command = click.option("--migrate/--no-migrate", default=None, help=text)(command)
            else:
                command = click.option(flag, option.name, type=type(option.default), default=None, help=text)(command)
        return command

    return add


def settings_of(given: dict[str, Any]) -> Settings:
    """Give the settings of the environment and of a command's options."""
    if isinstance(given.get("migrate"), bool):
        given["migrate"] = "yes" if given["migrate"] else "no"
    return read_settings(os.environ, **given)


def project_option(command: Command) -> Command:
    """Give a command the option ``--project``."""
    return click.option("--project", "project_id", type=int, default=None, help="Default: the first project.")(command)


class Opened:
    """The store for the length of a command."""

    def __init__(self, given: dict[str, Any]) -> None:
        self._store = ready_store(settings_of(given))

    def __enter__(self) -> Store:
        return self._store

    def __exit__(self, *_: object) -> None:
        self._store.close()


def project_id_of(store: Store, wanted: int | None) -> int:
    """Give the number of the project that is meant; raises Misconfigured if there is none."""
    ids = [one.id for one in store.projects()]
    if not ids or (wanted is not None and wanted not in ids):
        raise Misconfigured("there is no such project. See `beknown project list`.")
    return ids[0] if wanted is None else wanted


def project_of(store: Store, project_id: int) -> Project:
    """Give the project with this number; raises Misconfigured if there is none."""
    found = next((one for one in store.projects() if one.id == project_id), None)
    if found is None:
        raise Misconfigured(f"there is no project {project_id}. See `beknown project list`.")
    return found
