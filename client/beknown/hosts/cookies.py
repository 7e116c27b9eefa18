"""The cookies of the page as its own Python reads and writes them.

Rules:
- The widest domain that the browser takes has the cookie, so that all subdomains share the visitor: browsers refuse
  public suffixes. Where a domain is named, that one has it; where it is not the page's own, the host alone.
- Of two cookies of one name the browser shows the older: what reads back otherwise than it was written is hidden by
  one of another domain, of this host alone or from before the domain was named. Then all of that name are removed.
- Cookies may be blocked, and every access may raise: then there are none.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

IN_BROWSER = sys.platform in ("emscripten", "webassembly")
if IN_BROWSER:
    import js  # type: ignore[import-not-found]

DAYS_400 = 34560000  # s; the longest that browsers keep a cookie


class Cookies:
    """Those that a document shows (None: none) on a host, by name."""

    def __init__(self, document: "Any", host: str, is_secure: bool) -> None:
        self._document = document
        self._is_secure = is_secure
        labels = host.split(".")
        is_ip = labels[-1].isdigit()
        self._domains = [] if is_ip else [".".join(labels[-count:]) for count in range(2, len(labels) + 1)]
        self._home: "list[str]" = []  # the domain that took the last one; "" for this host alone

    def get(self, name: str) -> str:
        """Give a cookie's decoded text; "" if there is none or cookies are blocked."""
        try:
            for pair in self._document.cookie.split("; "):
                if pair.startswith(name + "="):
                    return _decoded(pair[len(name) + 1 :])
        except Exception:  # blocked, no page, or no text
            pass
        return ""

    def set(self, name: str, text: str, domain: str) -> None:
        """Keep a cookie for 400 days, for a domain or for the widest that the browser allows; "" deletes it."""
        if not text:
            self._wipe(name)
            return
        tries = self._home or ([domain] if domain else self._domains)
        if self.get(name) != text and not self._is_taken(name, text, tries[:1]):
            self._wipe(name)
            self._is_taken(name, text, tries + [""])

    def _is_taken(self, name: str, text: str, domains: "list[str]") -> bool:
        for domain in domains:
            self._bake(name, text, domain)
            if self.get(name) == text:
                self._home = [domain]
                return True
        return False

    def _wipe(self, name: str) -> None:
        for domain in self._domains + [""]:
            self._bake(name, "", domain)

    def _bake(self, name: str, text: str, domain: str) -> None:
        where = ("; domain=" + domain if domain else "") + ("; secure" if self._is_secure else "")
        kept = f"; path=/; max-age={DAYS_400 if text else 0}; samesite=lax{where}"
        try:
            self._document.cookie = f"{name}={js.encodeURIComponent(text)}{kept}"
        except Exception:  # blocked, or no page
            pass


def _decoded(text: str) -> str:
    """Give what stands percent-encoded in a cookie. Raises ValueError if that is no text, as somebody else's may be."""
    parts = text.split("%")
    coded = [bytes([int(part[:2], 16)]) + part[2:].encode() for part in parts[1:]]
    return b"".join([parts[0].encode()] + coded).decode()
