"""``/settings``: the tag to paste, the keys, and what the project has chosen.

Rules:
- A form that cannot be taken is shown again as it was typed, with what is wrong beside each field.
- A new secret key is shown once, in the answer to the form that made it.
"""

from __future__ import annotations

from zoneinfo import available_timezones

from flask import Blueprint, g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from . import access
from .keys import new_secret_key
from .options import WEEK_STARTS, Chosen, of_form
from .pages import draw, needs_session, tag_src
from .site import current_site, now_ms

HOUR_MS = 3_600_000
KEPT = {0: "at once", 24: "in a day", 168: "in a week"}  # hours until the old secret keys end

bp = Blueprint("chosen", __name__)
bp.before_request(needs_session)
bp.after_request(access.guarded)


@bp.get("/settings", endpoint="settings")
def settings() -> ResponseReturnValue:
    """Show the tag to paste, the keys, and what the project has chosen."""
    return _page(Chosen({}, g.project.options), saved="saved" in request.args)


@bp.post("/settings", endpoint="settings_change")
def change() -> ResponseReturnValue:
    """Keep what the form says, or show it again with what is wrong."""
    chosen = Chosen(of_form(request.form), g.project.options)
    if chosen.wrong:
        return _page(chosen), 400
    current_site().store.set_options(g.project.id, chosen.options)
    return redirect(url_for("chosen.settings", saved=1), 303)


@bp.post("/settings/key", endpoint="settings_key")
def new_key() -> ResponseReturnValue:
    """Make a secret key and show it once; the others end when the form says."""
    hours = request.form.get("keep", "0")
    keep = int(hours) if hours in {str(one) for one in KEPT} else 0
    secret = new_secret_key()
    current_site().store.rotate_key(g.project.id, secret, now_ms(), keep_ms=keep * HOUR_MS)
    return _page(Chosen({}, g.project.options), secret=secret)


def _page(chosen: Chosen, *, secret: str = "", saved: bool = False) -> str:
    return draw(
        "beknown/settings.html",
        tag_src=tag_src(),
        options=chosen.shown,
        wrong=chosen.wrong,
        zones=sorted(available_timezones()),
        week_starts=WEEK_STARTS,
        kept=KEPT,
        secret=secret,
        saved=saved,
    )
