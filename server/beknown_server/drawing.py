"""Templates: a Jinja environment of our own, so that a host application's filters and ours never meet.

Rules:
- Everything is escaped; a template asks for no data, it is given all of it, and a name it was not given is an error.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from flask import url_for
from jinja2 import Environment, PackageLoader, StrictUndefined

from . import display
from .furniture import shelf


def asset(name: str) -> str:
    """Give the address of one of the dashboard's own files."""
    return url_for("furniture.file", version=shelf()[name].version, name=name)


def drawn(template: str, **values: Any) -> str:
    """Give a template's text, such as ``beknown/live.html``, with these values."""
    return _environment().get_template(template).render(**values)


def drawn_row(row: Any, **values: Any) -> str:
    """Give one event's row, the same in a page and in the stream."""
    return str(_rows().event(row, **values))


@cache
def _environment() -> Environment:
    loader = PackageLoader("beknown_server")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    environment.filters.update({written.__name__: written for written in display.FILTERS})
    environment.globals.update(url_for=url_for, asset=asset)
    return environment


@cache
def _rows() -> Any:
    return _environment().get_template("beknown/parts.html").module
