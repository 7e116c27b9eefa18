"""Who is stored when there is nobody yet, or when a visitor says yes: the two texts of state.py.

Rules:
- Pure. static/beknown.js says the same in JavaScript (``meet``), so a worker has no use for this file.
- A visitor never seen before has one id for device and visitor, and no session yet.
- Who says yes after a no is somebody new, whom nothing links to who was here before. They begin at a revision that no
  copy from before the no has reached (another subdomain's localStorage, the server's cookie): the time, its digits
  taken as they are. So the new one is the newer one wherever two of them meet.
"""

from . import ids, wire


def newcomer(seed: str, format: str = wire.UNASKED, *, after_no: bool = False) -> "list[str]":
    """Give what to store of a visitor never seen before, or forgotten."""
    revision = ids.time_of(seed) if after_no else 0
    cookie = f"{format}.{revision}.{seed}.a..0.0.{seed}"
    return [cookie, cookie + "\n{}"]


def consented(stored: "list[str]", seed: str) -> "list[str]":
    """Give what to store of a visitor who says yes: who they were as far as that is stored, or somebody new."""
    cookie, local = stored
    head, dot, rest = cookie.partition(".")
    if head not in (wire.UNASKED, wire.ASKED) or not dot:
        return newcomer(seed, wire.ASKED, after_no=cookie != "")
    cookie = wire.ASKED + "." + rest
    return [cookie, cookie + "\n" + (local.partition("\n")[2] or "{}")]
