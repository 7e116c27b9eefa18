"""The JSON API for what an operator corrects: merge, undo, redo, split, delete; and groups.

Rules:
- Writing takes the secret key: the dashboard's session opens the reading calls only, because another site could make
  a browser send these. The dashboard has forms of its own (people_pages.py).
- A deletion reaches the columnar copy before it is answered.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import orjson
from beknown.wire import iso
from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from . import access
from .api import as_json, project
from .errors import Unauthorized, Unusable
from .site import Site, current_site, now_ms
from .store import Group, Project

MOST_IDS = 1000  # in one split
MOST_GROUPS = 1000

bp = Blueprint("people_api", __name__, url_prefix="/api")
bp.after_request(access.guarded)


@bp.post("/persons/merge")
def merge() -> ResponseReturnValue:
    """Make one person of two; answer with the link's number, which undoes it."""
    mine, body = own_project(), sent()
    source, into = _id(body, "from"), _id(body, "into")
    return as_json({"id": current_site().store.corrections.merge(mine.id, source, into, now=now_ms())})


@bp.post("/merges/<int:link>/undo")
def undo(link: int) -> ResponseReturnValue:
    """Take a link out, as if it had never been said; answer with the links by which its ids are still one person."""
    return as_json(
        {"id": link, "still_one_by": current_site().store.corrections.undo(own_project().id, link, now=now_ms())}
    )


@bp.post("/merges/<int:link>/redo")
def redo(link: int) -> ResponseReturnValue:
    """Take an undo back."""
    current_site().store.corrections.redo(own_project().id, link)
    return as_json({"id": link})


@bp.post("/persons/split")
def split() -> ResponseReturnValue:
    """Part some ids from the others of their person; answer with the links that this undid."""
    mine, body = own_project(), sent()
    ids = body.get("distinct_ids")
    if not isinstance(ids, list) or len(ids) > MOST_IDS or not all(isinstance(one, str) for one in ids):
        raise Unusable(
            "bad_ids", f"distinct_ids is not a list of at most {MOST_IDS} ids.", fix="Name the ids as texts."
        )
    return as_json({"undone": current_site().store.corrections.split(mine.id, ids, now=now_ms())})


@bp.delete("/persons/<anything:any_id>", merge_slashes=False)
def delete(any_id: str) -> ResponseReturnValue:
    """Delete a person with events, ids and properties; late events do not bring them back."""
    events, ids = delete_person(current_site(), own_project(), any_id)
    return as_json({"events": events, "distinct_ids": ids})


@bp.get("/groups")
def groups() -> ResponseReturnValue:
    """Answer with groups, the latest seen first; ``type`` and ``key`` narrow it down."""
    wanted = {name: request.args.get(name) or None for name in ("type", "key")}
    found = current_site().store.groups.known(project().id, limit=MOST_GROUPS, **wanted)
    return as_json({"results": [group_json(group) for group in found]})


def delete_person(site: Site, mine: Project, any_id: str) -> tuple[int, int]:
    """Delete a person everywhere; give how many events and ids they had. Raises NotFound."""
    deleted = site.store.corrections.delete(mine.id, any_id, now=now_ms())
    site.columns.forget(mine.id, deleted.numbers)
    return deleted.events, len(deleted.names)


def group_json(group: Group) -> dict[str, Any]:
    """Give a group as the API writes it."""
    return {**asdict(group), "first_seen": iso(group.first_seen), "last_seen": iso(group.last_seen)}


def own_project() -> Project:
    """Give the project that the request's key opens: a session is not enough to write. Raises Unauthorized."""
    if access.bearer() is None:
        raise Unauthorized(
            "missing_secret_key", "this call needs a key.", fix="Send the header Authorization: Bearer <secret key>."
        )
    return project()


def sent() -> dict[str, Any]:
    """Give the object that was sent; raises Unusable."""
    try:
        body = orjson.loads(request.get_data())
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise Unusable("not_an_object", "the body is not a JSON object.", fix="Send the call's values as an object.")
    return body


def _id(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise Unusable("missing_id", f"{name!r} is not an id.", fix='Send {"from": id, "into": id}.')
    return value
