"""The JSON API for what a project has chosen: ``GET`` and ``PATCH /api/project``.

Rules:
- Options are checked as on /settings (options.py). If one is wrong, none is kept.
- No secret is shown, and no key is changed: new ones are made at /settings and by ``beknown project rotate-key``.
- Changing takes the secret key, as in people_api.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint
from flask.typing import ResponseReturnValue

from . import access
from .api import as_json, project
from .errors import Unusable
from .options import DEFAULTS, Chosen, chosen
from .people_api import own_project, sent
from .site import current_site
from .store import Project

bp = Blueprint("project_api", __name__, url_prefix="/api")
bp.after_request(access.guarded)


@bp.get("/project")
def read() -> ResponseReturnValue:
    """Answer with what the project has chosen."""
    return as_json(project_json(project()))


@bp.patch("/project")
def change() -> ResponseReturnValue:
    """Change the options that are sent; answer with all of them."""
    mine, asked = own_project(), sent()
    strange = next((name for name in asked if name not in DEFAULTS), None)
    if strange is not None:
        advice = f"These are: {', '.join(DEFAULTS)}. Keys are made at /settings or by `beknown project rotate-key`."
        raise Unusable("unknown_option", f"{strange[:40]!r} is no option that can be changed here.", fix=advice)
    wanted = Chosen(asked, mine.options)
    if wanted.wrong:
        raise Unusable("bad_option", " ".join(f"{name}: {words}" for name, words in wanted.wrong.items()))
    current_site().store.set_options(mine.id, wanted.options)
    return as_json(project_json(replace(mine, options=wanted.options)))


def project_json(mine: Project) -> dict[str, Any]:
    """Give a project as the API writes it: its name, the key that stands in its pages, and every option."""
    return {"name": mine.name, "write_key": mine.write_key, **chosen(mine.options)}
