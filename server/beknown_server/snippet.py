"""The tag to paste, as ``beknown snippet`` prints it.

Rules:
- Pure. What is printed is HTML: every value is escaped.
- The integrity hash pins one version of the script: after an update of the server the tag is pasted again.
"""

from __future__ import annotations

from html import escape

# Takes calls before the script has come; beknown.js runs them, each with the time at which it was made.
INLINE = (
    "<script>window.beknown=window.beknown||new Proxy([],"
    "{get:(q,n)=>q[n]||((...a)=>{q.push([n,a,Date.now()])})})</script>"
)


def tag(url: str, key: str, *, integrity: str | None = None) -> str:
    """Give the script tag for a server's address and a write key."""
    pinned = f' integrity="{escape(integrity)}" crossorigin="anonymous"' if integrity else ""
    return f'<script async src="{escape(url)}/beknown.js" data-key="{escape(key)}"{pinned}></script>'
