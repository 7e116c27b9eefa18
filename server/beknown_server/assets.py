"""What a visitor's browser loads: the stub, and under the hash of their contents the worker and its runtime.

Rules:
- Only what the bundle's manifest lists is served; no path from a request ever reaches the file system.
- The stub's address never changes, so it is asked for again after an hour; everything else is cached for ever.
- Nor does the library's: a page names the version that was there when it was written, and is given the present one
  under that name. What such a page loads besides, events, is of one contract (wire.py).
- Compressed forms were made by the build. Which one goes out depends on Accept-Encoding, and caches are told so.
- Every site embeds these, so any origin may read them, also under Cross-Origin-Embedder-Policy.
- A worker has the policy of its own response: the page that embeds us need not allow WebAssembly.
"""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

from beknown.wire import VERSION
from flask import Blueprint, Response, jsonify, request

from . import wheel

bp = Blueprint("assets", __name__)

HERE = Path(__file__).parent
# In a wheel the bundle lies beside this file, in a checkout where `make` puts it.
PLACES = (HERE / "bundled", HERE.parents[1] / "build/bundle")

TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".wasm": "application/wasm",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".zip": "application/zip",
    ".whl": "application/zip",
}
AN_HOUR = "public, max-age=3600"
FOR_EVER = "public, max-age=31536000, immutable"
# Compile WebAssembly and send events, to whichever collector data-api names; load or run nothing else.
WORKER_POLICY = "default-src 'none'; script-src 'wasm-unsafe-eval'; connect-src *"
# Pyodide is a script more, from here as well; it makes functions from texts when Python asks JavaScript for one.
PYODIDE_POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src *"
WORKER_POLICIES = {"micropython.js": WORKER_POLICY, "pyodide.js": PYODIDE_POLICY}


@bp.get("/beknown.js")
def stub() -> Response:
    """The tag's script."""
    return _answer("beknown.js", AN_HOUR)


@bp.get("/bridge.js")
def bridge() -> Response:
    """The script that connects Python in a worker with the page's tag."""
    return _answer("bridge.js", AN_HOUR)


@bp.get("/beknown-<version>-py3-none-any.whl")
def library(version: str) -> Response:
    """The library for Python in a page, as of whichever version the page asks for."""
    present = (_folder() or HERE) / library_path()
    if version == VERSION or not present.exists() or not re.fullmatch(r"\d{1,4}(\.\d{1,4}){2}", version):
        return _answer(f"beknown-{version}-py3-none-any.whl", AN_HOUR)
    content = wheel.named(present.read_bytes(), version)
    response = Response(content, content_type=TYPES[".whl"], headers={"Cache-Control": AN_HOUR})
    response.add_etag()
    return _shared(response).make_conditional(request)  # type: ignore[return-value]


def library_path() -> str:
    """Give the path of the library's wheel on this server."""
    return f"beknown-{VERSION}-py3-none-any.whl"


@bp.get("/v/<version>/<path:name>")
def versioned(version: str, name: str) -> Response:
    """A file of the bundle whose contents have this hash."""
    return _answer(f"v/{version}/{name}", FOR_EVER)


def manifest() -> dict[str, Any]:
    """Give what bundle.py wrote about the bundle; empty when none was built."""
    folder = _folder()
    return _manifest(folder, (folder / "manifest.json").stat().st_mtime_ns) if folder else {}


def _folder() -> Path | None:
    return next((folder for folder in PLACES if (folder / "manifest.json").exists()), None)


@functools.lru_cache(maxsize=1)
def _manifest(folder: Path, _changed: int) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return content


def _answer(path: str, caching: str) -> Response:
    assets = {asset["path"]: asset for asset in manifest().get("assets", [])}
    if path not in assets:
        return _missing(path, bool(assets))
    encoding, suffix = _encoding()
    folder = _folder()
    assert folder is not None, "there is a manifest"
    response = Response((folder / (path + suffix)).read_bytes())
    response.headers["Content-Type"] = TYPES[Path(path).suffix]
    response.headers["Cache-Control"] = caching
    response.set_etag(assets[path]["integrity"].partition("-")[2][:27] + suffix)
    if encoding:
        response.headers["Content-Encoding"] = encoding
    if policy := WORKER_POLICIES.get(Path(path).name):
        response.headers["Content-Security-Policy"] = policy
    return _shared(response).make_conditional(request)  # type: ignore[return-value]


def _encoding() -> tuple[str, str]:
    """The best form that the browser takes, and its file's suffix."""
    accepted = request.accept_encodings
    for encoding, suffix in (("br", ".br"), ("gzip", ".gz")):
        if accepted[encoding] > 0:
            return encoding, suffix
    return "", ""


def _shared(response: Response) -> Response:
    response.vary.add("Accept-Encoding")
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.headers["Timing-Allow-Origin"] = "*"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _missing(path: str, is_built: bool) -> Response:
    """Say why there is no such file, and what to do; no cache may remember it."""
    if not is_built:
        code, detail = "bundle_missing", "The bundle has not been built. `make run` builds it and starts the server."
    elif path.startswith(f"v/{manifest()['version']}/"):
        code, detail = "asset_unknown", "The bundle has no such file."
    else:
        code, detail = "version_unknown", "This server has another version of the bundle. Reload /beknown.js."
    response: Response = jsonify({"type": "not_found", "code": code, "detail": detail})
    response.status_code = 404 if is_built else 503
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Beknown-Refused"] = code
    return _shared(response)
