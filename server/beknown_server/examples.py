"""Three small apps in Python, as their authors would write them: served by `beknown demo` under /examples/.

    micropython   PyScript on MicroPython, where Python is the only beknown on the page
    pyodide       the same on Pyodide
    both          a page that has the tag as well: one brain for both

Rules:
- The files lie in static/examples. In them stand {{ key }}, {{ api }} and the addresses of the runtimes, all ours;
  {{ bots }} is `count` where a driven browser asks to be counted (?bots=count).
"""

from __future__ import annotations

from html import escape
from pathlib import Path

from flask import Blueprint, Response, abort, request

from .assets import library_path, manifest
from .site import current_site

bp = Blueprint("examples", __name__)

HERE = Path(__file__).parent
FOLDERS = (HERE / "static/examples", HERE.parents[1] / "static/examples")


@bp.get("/examples/<name>")
def example(name: str) -> Response:
    """Show one of the apps."""
    files = {path.stem: path for folder in FOLDERS for path in folder.glob("*.html")}
    if name not in files:
        abort(404)
    text = files[name].read_text()
    for word, value in _words().items():
        text = text.replace("{{ " + word + " }}", escape(value))
    return Response(text, mimetype="text/html")


def _words() -> dict[str, str]:
    """What stands for itself in the examples."""
    here = request.host_url.rstrip("/")
    # A folder is the address of any file in it without the file's name.
    found = {Path(asset["path"]).name: asset["path"] for asset in manifest().get("assets", [])}
    return {
        "bots": request.args.get("bots", "ignore"),
        "api": here,
        "key": current_site().store.projects()[0].write_key,
        "wheel": f"{here}/{library_path()}",
        "pyscript": f"{here}/{Path(found.get('core.js', 'missing/x')).parent}",
        "pyodide": f"{here}/{Path(found.get('pyodide.asm.wasm', 'missing/x')).parent}",
    }
