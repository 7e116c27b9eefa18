"""Where a visitor is kept: what ``data-persistence`` names.

    cookie+localStorage   identity and session in the cookie, all in localStorage: the default
    localStorage+cookie   the same, as posthog-js writes it
    localStorage, sessionStorage, cookie, memory

Rules:
- Pure. static/beknown.js says the same in JavaScript (``persistence``), so a worker has no use for this file.
- Capitals make no difference. What is none of these is the default, as with posthog-js (§3.2), and the console says so;
  but what begins like sessionStorage or memory was meant to keep less, and does.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

KNOWN = ("cookie+localStorage", "localStorage+cookie", "localStorage", "cookie", "sessionStorage", "memory")


def in_cookie(options: "dict[str, Any]") -> bool:
    """Tell whether identity and session are kept in a cookie."""
    wanted = _wanted(options)
    return not (wanted[0] in "sm" or wanted in ("local", "localstorage"))


def area(options: "dict[str, Any]") -> str:
    """Give the window's storage for all but the cookie; "" for none."""
    wanted = _wanted(options)
    return "sessionStorage" if wanted[0] == "s" else "" if wanted[0] == "m" or wanted == "cookie" else "localStorage"


def complaint(options: "dict[str, Any]") -> str:
    """Say what is wrong with the attribute; "" if nothing is."""
    if _wanted(options) in [known.lower() for known in KNOWN]:
        return ""
    return (
        f"data-persistence {options['persistence']!r} is not known, and may not be what you meant: {', '.join(KNOWN)}."
    )


def _wanted(options: "dict[str, Any]") -> str:
    return str(options.get("persistence") or KNOWN[0]).lower()
