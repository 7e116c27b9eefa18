"""What a person looks at: log-in, overview, live, people, one person, warnings.

Rules:
- Drawn on the server and whole without JavaScript; htmx swaps a part of the same page when a filter changes.
- Every page but the log-in needs a session; every POST carries its CSRF token (``access.py``).
- A page asks the store and hands rows to a template; how a value is written is decided in ``display.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

from flask import Blueprint, current_app, g, redirect, request, url_for
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from . import access, links, live
from .drawing import drawn
from .identity import REFUSED_FOR_GOOD
from .site import current_site, now_ms
from .store import Explanation, Place, Row, person_id

DAY_MS = 24 * 3600 * 1000
NOW_MS = 5 * 60 * 1000  # somebody seen within five minutes is on the site now
FIRST_ROWS = 50  # rows in the first paint of the live view
SEARCHED = 500  # newest rows that a filter looks through for the first paint; the stream goes on from there
PAGE = 50
TIMELINE = 200

# What the person's page says after a correction (people_pages.py).
CORRECTED = {
    "merge": "They are one person now. Undo takes the link out again, under “Why this is one person”.",
    "undo": "The link is undone: everything is as if it had never been. It stands below, to be redone.",
    "undo-of-one": "The link is undone; another one keeps its ids together, under “Why this is one person”.",
    "redo": "The link holds again.",
    "split": "The chosen ids are somebody else's now. The links that fell stand below, to be redone.",
}

OPEN = {"log_in", "log_in_form"}  # without a session
DEMO_HOME = "beknown.demo_home"  # where the demo leaves its home page

bp = Blueprint("pages", __name__)


@bp.record_once
def _prepare(state: BlueprintSetupState) -> None:
    state.app.extensions["beknown.doors"] = Doors(access.WrongKeys(), access.Links())


@dataclass(frozen=True, slots=True)
class Doors:
    """What the log-in remembers in this process."""

    wrong_keys: access.WrongKeys
    links: access.Links


@bp.before_request
def needs_session() -> ResponseReturnValue | None:
    """Lead to the log-in whoever has no session, and refuse a POST without its token; sets ``g.project``."""
    g.project = access.session_project()
    if _name() in OPEN or (_name() == "home" and _demo_home()):
        return None
    if g.project is None:
        return redirect(url_for("pages.log_in_form", next=_address() if request.method == "GET" else None))
    if request.method == "POST" and not access.csrf_is_right():
        return _login("", "This form was too old. Log in again."), 400
    return None


@bp.after_request
def _guard(response: Response) -> Response:
    is_demo = _name() == "home" and _demo_home() is not None  # somebody else's site, as far as we know
    return response if is_demo else access.guarded(response)


def draw(template: str, **values: object) -> str:
    """Give a page of the dashboard, with what its frame needs."""
    warned = current_site().store.warned(g.project.id)  # each page shows it, so it waits for no writer
    return drawn(template, csrf=access.csrf(), project=g.project, section=_name(), warned=warned, **values)


@bp.get("/")
def home() -> ResponseReturnValue:
    """Show the demo's site where there is one, else the overview."""
    demo = _demo_home()
    return demo() if demo else overview()


@bp.get("/login")
def log_in_form() -> ResponseReturnValue:
    """Show the log-in, or open the project at once for a signed link (``?token=``)."""
    wanted = access.safe_next(request.args.get("next"), url_for("pages.overview"))
    token = request.args.get("token")
    if token and access.session_project() is None:
        project_id = _doors().links.open(token, secret=access.secret())
        if project_id is None:
            return _login(wanted, "This link was used already or is too old. Log in with the secret key."), 400
        access.sign_in(project_id, now=now_ms())
    if access.session_project() is not None:
        return redirect(wanted)
    return _login(wanted, "")


@bp.post("/login")
def log_in() -> ResponseReturnValue:
    """Open the project whose secret key was typed."""
    wanted = access.safe_next(request.form.get("next"), url_for("pages.overview"))
    now, address, wrong_keys = now_ms(), access.address(), _doors().wrong_keys
    wait = wrong_keys.wait_ms(address, now=now)
    if wait:
        minutes = wait // 60000 + 1
        page = _login(wanted, f"Too many wrong keys from this address. Try again in {minutes} min.")
        return page, 429, {"Retry-After": str(wait // 1000 + 1)}
    if not access.csrf_is_right():
        return _login(wanted, "This form was too old, or cookies are blocked. Try again."), 400
    mine = current_site().store.project_by_secret_key(request.form.get("secret_key", "").strip(), now=now)
    if mine is None:
        wrong_keys.add(address, now=now)
        return _login(
            wanted, "This key opens no project. Use the secret key (bks_…); the write key opens nothing."
        ), 401
    access.sign_in(mine.id, now=now)
    return redirect(wanted, 303)


@bp.post("/logout")
def log_out() -> ResponseReturnValue:
    """Close the session of this browser."""
    access.sign_out()
    return redirect(url_for("pages.log_in_form"), 303)


@bp.get("/overview")
def overview() -> ResponseReturnValue:
    """Show the last 24 hours in four numbers, and the newest events, or how to send the first."""
    store, now = current_site().store, now_ms()
    day = store.counts(g.project.id, now - DAY_MS)
    before = store.happened(g.project.id, now - 2 * DAY_MS, now - DAY_MS)
    return draw(
        "beknown/overview.html",
        day=day,
        now=store.counts(g.project.id, now - NOW_MS),
        change=round(100 * (day.events - before) / before) if before else None,
        rows=store.recent(g.project.id, limit=10),
        tag_src=tag_src(),
    )


@bp.get("/live", endpoint="live")
def live_view() -> ResponseReturnValue:
    """Show the newest events; the page's script goes on from here with ``/api/live``."""
    query = request.args.get("q", "").strip()[:200]
    newest = current_site().store.recent(g.project.id, limit=SEARCHED if query else FIRST_ROWS)
    return draw(
        "beknown/live.html",
        q=query,
        rows=[row for row in newest if live.matches(row, query)][:FIRST_ROWS],
        cursor=newest[0].seq if newest else 0,
    )


@bp.get("/people")
def people() -> ResponseReturnValue:
    """Show everyone who was seen, or those whom a search finds, most recent first."""
    search, before = request.args.get("search", "").strip()[:200], Place.read(request.args.get("before", ""))
    found = current_site().store.people(g.project.id, search=search, limit=PAGE, before=before)
    older = str(found[-1].place) if len(found) == PAGE else None
    went = {"events": whole(request.args.get("deleted", "")), "ids": whole(request.args.get("ids", ""))}
    return draw("beknown/people.html", search=search, people=found, next=older, went=went)


@bp.get("/people/<anything:any_id>", merge_slashes=False)  # api.py has the converter, and why
def person(any_id: str) -> ResponseReturnValue:
    """Show one person: what they did, visit by visit, their properties, and why their ids are one."""
    store = current_site().store
    found = store.person(g.project.id, any_id)
    if found is None:
        detail = f"Nobody has been seen under the id {any_id[:80]!r}."
        return draw("beknown/sorry.html", title="Nobody found", detail=detail), 404
    before = whole(request.args.get("before", ""))
    rows = store.recent(g.project.id, limit=TIMELINE, before=before, person_id=found.person_id)
    explanation = store.explain(g.project.id, found.person_id) or Explanation([], [])
    return draw(
        "beknown/person.html",
        person=found,
        origins=store.origins(g.project.id, found.person_id),
        visits=visits_of(rows),
        **why(found.distinct_ids, explanation),
        next=rows[-1].seq if len(rows) == TIMELINE else None,
        done=request.args.get("done", ""),
        own_id=partial(person_id, g.project.id),
        told=CORRECTED,
    )


@bp.get("/warnings")
def warnings() -> ResponseReturnValue:
    """Show every refusal, counted, with an example and the fix."""
    return draw("beknown/warnings.html", warnings=current_site().store.warnings(g.project.id))


@dataclass(frozen=True, slots=True)
class Visit:
    """The events of one session, newest first; ``session_id`` is None for events that came from a server."""

    session_id: str | None
    rows: list[Row]

    @property
    def started(self) -> int:
        return min(row.timestamp for row in self.rows)

    @property
    def lasted(self) -> int:
        return max(row.timestamp for row in self.rows) - self.started


def visits_of(rows: Sequence[Row]) -> list[Visit]:
    """Give the rows by session, the session with the newest row first; rows without one stay where they are."""
    visits: list[Visit] = []
    by_session: dict[str, Visit] = {}
    for row in rows:
        visit = by_session.get(row.session_id) if row.session_id else None
        if visit is None and visits and not row.session_id and visits[-1].session_id is None:
            visit = visits[-1]
        if visit is None:
            visit = Visit(row.session_id, [])
            visits.append(visit)
            if row.session_id:
                by_session[row.session_id] = visit
        visit.rows.append(row)
    return visits


def why(distinct_ids: Sequence[str], explanation: Explanation) -> dict[str, object]:
    """Give what the page says of a person's links: of each list the part that is asked for, and the events in it."""
    ties = links.part(links.ties(distinct_ids, explanation), _start("links"))
    refused = links.part(explanation.refused, _start("refused"))
    undone = links.part(explanation.undone, _start("undone"))
    shown = [*(tie.link for tie in ties.rows if tie.link), *refused.rows, *undone.rows]
    uuids = [link.linked_by for link in shown]
    told = current_site().store.recent(g.project.id, limit=len(uuids), uuids=uuids) if uuids else []
    return {
        "ties": ties,
        "refused": refused,
        "undone": undone,
        "told_by": {row.uuid: row for row in told},
        "final": REFUSED_FOR_GOOD,
    }


def login_link(project_id: int, base: str) -> str:
    """Give an address that logs in once: for the demo, which prints it. Needs an application context."""
    token = _doors().links.make(project_id, secret=access.secret())
    return f"{base}/login?token={token}"


def whole(text: str) -> int | None:
    """Give the number that a text is, or None if it is none that a database can hold."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _login(wanted: str, complaint: str) -> str:
    values = {"next": wanted, "complaint": complaint, "is_demo": _demo_home() is not None}
    return drawn("beknown/login.html", csrf=access.csrf(), **values)


def _start(of_list: str) -> int:
    return whole(request.args.get(of_list, "")) or 0


def _name() -> str:
    return str(request.endpoint).rpartition(".")[2]


def _address() -> str:
    """Give the path and query of this request as they were asked for: an id stays escaped, but for its slashes."""
    query = request.query_string.decode("latin-1")
    return quote(request.script_root + request.path) + (f"?{query}" if query else "")


def _demo_home() -> Callable[[], str] | None:
    home: Callable[[], str] | None = current_app.extensions.get(DEMO_HOME)
    return home


def _doors() -> Doors:
    doors: Doors = current_app.extensions["beknown.doors"]
    return doors


def tag_src() -> str:
    """Give the address of the tag's script."""
    return url_for("pages.home", _external=True) + "beknown.js"
