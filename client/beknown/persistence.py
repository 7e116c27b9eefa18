"""Where a visitor is kept: what ``data-persistence`` names.

    cookie+localStorage   identity and session in the cookie, all in localStorage: the default
    localStorage+cookie   the same, as posthog-js writes it
    localStorage, sessionStorage, cookie, memory

Rules:
- Pure. static/beknown.js says the same in JavaScript (``persistence``), so a worker has no use for this file.
- Capitals make no difference. What is none of these keeps what its words say, mostly nothing, and the console says so.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

KNOWN = ("cookie+localStorage", "localStorage+cookie", "localStorage", "cookie", "sessionStorage", "memory")


def in_cookie(options: "dict[str, Any]") -> bool:
    """Tell whether identity and session are kept in a cookie."""
    return "cookie" in _wanted(options)


def area(options: "dict[str, Any]") -> str:
    """Give the window's storage for all but the cookie; "" for none."""
    wanted = _wanted(options)
    return "localStorage" if "local" in wanted else "sessionStorage" if wanted.startswith("s") else ""


def complaint(options: "dict[str, Any]") -> str:
    """Say what is wrong with the attribute; "" if nothing is."""
    if _wanted(options) in [known.lower() for known in KNOWN]:
        return ""
    return f"there is no data-persistence {options['persistence']!r}: visitors may not be kept. Use {', '.join(KNOWN)}."


def _wanted(options: "dict[str, Any]") -> str:
    return str(options.get("persistence") or KNOWN[0]).lower()
