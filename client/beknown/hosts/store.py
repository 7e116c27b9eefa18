"""Where the page's own Python keeps who the visitor is: the cookie, and one entry of the window's storage.

Rules:
- Names, form and order are those of static/beknown.js: either page goes on with what the other has stored.
- The cookie is the truth, what is beside it follows (design: identity). Which of them there are, persistence.py says.
- A no stands in the place of the identity, in the cookie too, wherever the visitor would be kept.
"""

from .. import persistence, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .browser import Browser


class Store:
    """One visitor's two texts (state.py) in one browser."""

    def __init__(self, browser: "Browser", key: str, options: "dict[str, Any]") -> None:
        self.name = wire.cookie_name(key)
        self._browser = browser
        self._options = options
        self._domain = str(options.get("cookieDomain", ""))
        self._posthogs = f"ph_{key}_posthog"
        self._refusal = f"__ph_opt_in_out_{key}"  # to posthog-js: "0" is a no
        self._seen = ""  # the identity that the tracker knows to be stored
        self._in_cookie = False

    def open(self) -> None:
        """Keep the visitor where the options say."""
        self._browser.area = persistence.area(self._options)
        self._in_cookie = persistence.in_cookie(self._options)

    def close(self) -> None:
        """Forget the visitor, and keep what comes in memory alone."""
        self.forget()
        self._browser.area = ""
        self._in_cookie = False

    def identity(self) -> str:
        """Give what is stored of who the visitor is, as the cookie has it."""
        return self._browser.cookie(self.name) or self._browser.get(self.name).partition("\n")[0]

    def choice(self) -> str:
        """Give the identity, or a no in the place of one that holds no choice, if the visitor told posthog-js no."""
        stored = self.identity()
        if stored == wire.DENIED or stored.startswith(wire.ASKED):
            return stored
        has_refused = (self._browser.cookie(self._refusal) or self._browser.local(self._refusal)) == "0"
        return wire.DENIED if has_refused else stored

    def texts(self) -> "list[str]":
        """Give both texts, for the tracker to know; where no cookie is kept, the other's first line stands for it."""
        self._seen = self.identity()
        return [self._seen, self._browser.get(self.name)]

    def has_news(self) -> bool:
        """Tell whether another identity is stored than the tracker knows."""
        return self.identity() != self._seen

    def write(self, cookie: str, local: str, *, is_known: bool = True) -> None:
        """Keep both texts; a tracker that runs already must be told unless it ``is_known`` there."""
        self._browser.put(self.name, local)  # first: it has everything in one piece
        if self._in_cookie:
            self._browser.set_cookie(self.name, cookie, self._domain)
        elif self._browser.cookie(self.name):  # a no, which has been taken back
            self._browser.set_cookie(self.name, "", self._domain)
        self._seen = self.identity() if is_known else ""

    def deny(self) -> None:
        """Forget the visitor, and keep that they said no: the cookie changes into it, and no tab finds it empty."""
        self._empty()
        self.open()
        self._browser.set_cookie(self.name, wire.DENIED, self._domain)
        self._browser.put(self.name, wire.DENIED)

    def forget(self) -> None:
        """Remove what is stored of the visitor, journals included."""
        self._empty()
        self._browser.set_cookie(self.name, "", self._domain)

    def _empty(self) -> None:
        for name in list(self._browser.names()):
            if name.partition("~")[0] == self.name:
                self._browser.remove(name)

    def forget_copy(self) -> None:
        """Remove the server's copy (cookie.py); an answer on its way may have set it once more."""
        kept = self.name + ".kept"
        if self._browser.cookie(kept):
            self._browser.set_cookie(kept, "", self._domain)

    def posthog(self) -> str:
        """Give what posthog-js stored for the same key (inherited.py)."""
        return self._browser.cookie(self._posthogs) or self._browser.get(self._posthogs)
