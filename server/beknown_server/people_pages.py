"""The dashboard's forms for what an operator corrects on ``/people/<id>``: merge, undo, redo, split, delete.

Rules:
- Each is a POST with the session's CSRF token (``pages.needs_session``), does what the API's call does, and leads back
  to the person; what cannot be done is said on a page, with the reason.
"""

from __future__ import annotations

from flask import Blueprint, g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from . import access
from .errors import Refusal, Unusable
from .pages import draw, needs_session, whole
from .people_api import delete_person
from .site import current_site, now_ms

SUGGESTED = 12

bp = Blueprint("correct", __name__)
bp.before_request(needs_session)
bp.after_request(access.guarded)


@bp.errorhandler(Refusal)
def sorry(refusal: Refusal) -> ResponseReturnValue:
    """Say why something cannot be done."""
    return draw(
        "beknown/sorry.html", title="This cannot be done", detail=f"{refusal} {refusal.fix}".strip()
    ), refusal.status


@bp.get("/suggestions/people")
def suggestions() -> ResponseReturnValue:
    """Offer whom the person could be merged with: those whom what was typed finds."""
    typed = request.args.get("into", "").strip()[:200]
    found = current_site().store.people(g.project.id, search=typed, limit=SUGGESTED) if typed else []
    others = [one for one in found if one.person_id != request.args.get("not")]
    return draw("beknown/suggestions.html", people=others)


@bp.post("/people/merge")
def merge() -> ResponseReturnValue:
    """Merge the person into another, whose id was typed."""
    source, into = request.form.get("from", ""), _seen(request.form.get("into", ""))
    current_site().store.corrections.merge(g.project.id, source, into, now=now_ms())
    return _back("merge", into)


@bp.post("/people/undo")
def undo() -> ResponseReturnValue:
    """Undo one link of the person."""
    others = current_site().store.corrections.undo(g.project.id, _link(), now=now_ms())
    return _back("undo-of-one" if others else "undo", request.form.get("person", ""))


@bp.post("/people/redo")
def redo() -> ResponseReturnValue:
    """Take the undo of one link back."""
    current_site().store.corrections.redo(g.project.id, _link())
    return _back("redo", request.form.get("person", ""))


@bp.post("/people/split")
def split() -> ResponseReturnValue:
    """Part the chosen ids from the person."""
    current_site().store.corrections.split(g.project.id, request.form.getlist("distinct_id"), now=now_ms())
    return _back("split", request.form.get("person", ""))


@bp.post("/people/delete")
def delete() -> ResponseReturnValue:
    """Delete the person for good, if the box was ticked, and say on the page of people what went."""
    if not request.form.get("sure"):
        raise Unusable("not_sure", "nothing was deleted: it was not said to be sure.", fix="Tick the box, then delete.")
    events, ids = delete_person(current_site(), g.project, request.form.get("person", ""))
    return redirect(url_for("pages.people", deleted=events, ids=ids), 303)


def _seen(typed: str) -> str:
    """Give an id as it was typed if it was seen like that, else without blanks around it."""
    return typed if current_site().store.ref(g.project.id, typed) else typed.strip()


def _link() -> int:
    return whole(request.form.get("link", "")) or 0


def _back(verb: str, any_id: str) -> ResponseReturnValue:
    found = current_site().store.ref(g.project.id, any_id)  # their own id is short and plain, whatever this one is
    return redirect(url_for("pages.person", any_id=found.person_id if found else any_id, done=verb), 303)
