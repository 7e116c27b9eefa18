"""The tag to paste, as ``beknown snippet`` prints it.

Rules:
- Pure. What is printed is HTML: every value is escaped.
- The integrity hash pins one version of the script: after an update of the server the tag is pasted again.
"""

from __future__ import annotations

import json
from html import escape

# Takes calls before the script has come; beknown.js runs them, each with the time at which it was made.
INLINE = (
    "<script>window.beknown=window.beknown||new Proxy([],"
    "{get:(q,n,p)=>n=='people'?p:q[n]||((...a)=>{q.push([n,a,Date.now()])})})</script>"
)


def tag(url: str, key: str, *, integrity: str | None = None) -> str:
    """Give the script tag for a server's address and a write key."""
    pinned = f' integrity="{escape(integrity)}" crossorigin="anonymous"' if integrity else ""
    return f'<script async src="{escape(url)}/beknown.js" data-key="{escape(key)}"{pinned}></script>'


def pyscript(url: str, key: str, *, wheel: str) -> str:
    """Give the two configurations of PyScript, and the lines of Python that follow, for a server's address."""
    library = json.dumps(f"{url}/{wheel}")
    packages = json.dumps({"packages": [f"{url}/{wheel}"]})
    files = json.dumps({"files": {f"{url}/{wheel}": "./*"}})
    return f"""<!-- Python in the page by PyScript. On Pyodide: -->
<script type="py" src="./main.py" config='{escape(packages, quote=False)}'></script>

<!-- or on MicroPython: -->
<script type="mpy" src="./main.py" config='{escape(files, quote=False)}'></script>

<!-- In a worker, as in <script type="mpy" worker="./main.py" ...>, these before PyScript: one visitor. -->
{tag(url, key)}
<script src="{escape(url)}/bridge.js"></script>

# main.py
import beknown
beknown.init({json.dumps(key)}, api={json.dumps(url)})
beknown.capture("app_opened")

# In JupyterLite and other notebooks on Pyodide, first:
import micropip
await micropip.install({library})"""
