"""The dashboard's own files (its css and js, htmx, uPlot, the demo's), served under a hash of what they hold.

Rules:
- Only what stands in ``static/dashboard``, ``static/demo``, and LIBRARIES: a list made once, so no path can leave it.
- An address names its content, so it may be kept for a year; any other hash is answered with 404.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from mimetypes import guess_type
from pathlib import Path

from flask import Blueprint, Response, abort, request

PACKAGED = Path(__file__).parent / "static"  # in a wheel
CHECKOUT = Path(__file__).parents[2] / "static"
FOLDERS = ("dashboard", "demo")
LIBRARIES = {  # a wheel holds them too: hatch_build.py
    "htmx.js": "node_modules/htmx.org/dist/htmx.min.js",
    "uplot.js": "node_modules/uplot/dist/uPlot.iife.min.js",
    "uplot.css": "node_modules/uplot/dist/uPlot.min.css",
}

bp = Blueprint("furniture", __name__)


@dataclass(frozen=True, slots=True)
class File:
    """One file as it is sent."""

    body: bytes
    zipped: bytes
    version: str
    mimetype: str


@cache
def shelf() -> Mapping[str, File]:
    """Give every file by its name: ``dashboard/live.js``, ``htmx.js``."""
    root = PACKAGED if PACKAGED.is_dir() else CHECKOUT
    found = {name: root / path for name, path in LIBRARIES.items()}
    found.update({f"{folder}/{path.name}": path for folder in FOLDERS for path in (root / folder).iterdir()})
    return {name: _read(path) for name, path in found.items() if path.is_file()}


@bp.get("/static/<version>/<path:name>")
def file(version: str, name: str) -> Response:
    """Answer with a file, for good."""
    found = shelf().get(name)
    if found is None or found.version != version:
        abort(404)
    zips = request.accept_encodings["gzip"] > 0
    response = Response(found.zipped if zips else found.body, mimetype=found.mimetype)
    if zips:
        response.content_encoding = "gzip"
    response.vary.add("Accept-Encoding")
    response.cache_control.public = True
    response.cache_control.max_age = 365 * 24 * 3600
    response.cache_control.immutable = True
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _read(path: Path) -> File:
    body = path.read_bytes()
    version = hashlib.sha256(body).hexdigest()[:12]
    mimetype = "text/javascript" if path.suffix == ".js" else guess_type(path.name)[0] or "application/octet-stream"
    return File(body, gzip.compress(body, mtime=0), version, mimetype)
