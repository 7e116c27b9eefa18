"""The demo: Halyard, an invented company whose site embeds the tag exactly as a customer's would.

Rules:
- The site knows nothing of the server that hosts it: it has the tag, and page JavaScript that calls
  ``beknown.identify`` after sign-up and ``beknown.reset`` at log-out.
- There are no accounts: what a visitor types stays in their browser's localStorage.
"""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, request
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue

from . import examples
from .drawing import drawn
from .pages import DEMO_HOME
from .site import current_site

bp = Blueprint("demo", __name__)
bp.register_blueprint(examples.bp)


@dataclass(frozen=True, slots=True)
class Plan:
    """What Halyard pretends to sell."""

    name: str
    euros: int
    words: str
    points: tuple[str, ...]


PLANS = (
    Plan("Slipway", 0, "For a jetty and its regulars.", ("12 berths", "Bookings by link", "One harbour master")),
    Plan(
        "Harbour",
        39,
        "For a harbour with guests.",
        ("80 berths", "Payment before mooring", "Power and water by meter", "Three seats"),
    ),
    Plan(
        "Marina",
        119,
        "For several basins.",
        ("Any number of berths", "Crane and winter storage", "Gate and shower codes", "Any number of seats"),
    ),
)


@bp.record_once
def _prepare(state: BlueprintSetupState) -> None:
    state.app.extensions[DEMO_HOME] = home  # the dashboard leaves ``/`` to it


def home() -> str:
    """Show Halyard's home page."""
    return _page("home")


@bp.get("/pricing")
def pricing() -> ResponseReturnValue:
    """Show what Halyard costs."""
    return _page("pricing")


@bp.get("/signup")
def signup() -> ResponseReturnValue:
    """Show the form whose script calls ``identify``."""
    return _page("signup")


@bp.get("/account")
def account() -> ResponseReturnValue:
    """Show the page whose log-out calls ``reset``."""
    return _page("account")


def _page(name: str) -> str:
    chosen = request.args.get("plan", "harbour").lower()
    write_key = current_site().store.projects()[0].write_key
    return drawn(f"demo/{name}.html", here=name, plans=PLANS, chosen=chosen, write_key=write_key)
