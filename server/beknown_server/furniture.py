"""The dashboard's own files (its css and js, htmx, uPlot, Inter, the demo's), served under a hash of what they hold.

Rules:
- Only what stands in ``static/dashboard``, ``static/demo``, and LIBRARIES: a list made once, so no path can leave it.
- An address names its content, so it may be kept for a year; any other hash is answered with 404.
- A style sheet names a font as ``url("inter.woff2")``; what it is served with is the font's own address.
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
    "inter.woff2": "node_modules/@fontsource-variable/inter/files/inter-latin-wght-normal.woff2",
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
    files = {name: _file(path.name, path.read_bytes()) for name, path in found.items() if path.is_file()}
    fonts = {name: file.version for name, file in files.items() if name.endswith(".woff2")}
    return {name: _with_fonts(name, file, fonts) for name, file in files.items()}


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


def _file(name: str, body: bytes) -> File:
    version = hashlib.sha256(body).hexdigest()[:12]
    mimetype = "text/javascript" if name.endswith(".js") else guess_type(name)[0] or "application/octet-stream"
    return File(body, gzip.compress(body, mtime=0), version, mimetype)


def _with_fonts(name: str, file: File, fonts: Mapping[str, str]) -> File:
    """Give a style sheet whose fonts stand at their addresses, any other file as it is."""
    if not name.endswith(".css"):
        return file
    body = file.body
    for font, version in fonts.items():  # from /static/<version>/dashboard/dashboard.css
        body = body.replace(f'url("{font}")'.encode(), f'url("../../{version}/{font}")'.encode())
    return _file(name, body)
