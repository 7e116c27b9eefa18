"""The journal of the page's own Python: every call that the server does not have yet, in the browser's storage.

    <name>~<call id>~<tab>    the call's JSON; once the tracker has run it, its events

Rules:
- Names and form are those of static/beknown.js: either delivers what the other left.
- Ids sort in the order of the calls. The clock and the dice are read here.
"""

import random

from .. import ids

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .browser import Browser

ADOPTED_AFTER = 30000  # ms; what another tab left is taken over when it is too old to be on its way, as the stub does


class Journal:
    """What waits for the server's answer, by call id; whatever is changed here is changed in storage, too."""

    def __init__(self, browser: "Browser", name: str) -> None:
        self._browser = browser
        self._name = name
        self._kept: "dict[str, tuple[str, str]]" = {}  # call id -> (text, where it lies)
        self._last = 0.0
        self._count = 0

    def new_id(self) -> str:
        """Give a UUIDv7 whose 12 bits after the time count the calls of one ms, so that ids sort in call order."""
        now = max(self._browser.now() // 1, self._last)
        self._count = self._count + 1 if now == self._last else 0
        self._last = now
        dice = [random.getrandbits(8) for _ in range(ids.RANDOM_BYTES)]
        dice[0], dice[1] = self._count >> 4 & 255, (self._count & 15) << 4
        return ids.uuid7(now, bytes(dice))

    def calls(self) -> "list[str]":
        """Give the ids of the calls that are in it, oldest first."""
        return sorted(self._kept)

    def text(self, id: str) -> str:
        """Give what is kept of a call."""
        return self._kept[id][0]

    def add(self, id: str, text: str, tab: str) -> None:
        """Keep a call of this page's."""
        self._keep(id, text, f"{self._name}~{id}~{tab}")

    def rewrite(self, id: str, text: str) -> None:
        """Keep this of a call instead."""
        self._keep(id, text, self._kept[id][1])

    def _keep(self, id: str, text: str, place: str) -> None:
        self._kept[id] = (text, place)
        self._browser.put(place, text)

    def remove(self, calls: "list[str]") -> None:
        """Forget calls."""
        for id in calls:
            self._browser.remove(self._kept.pop(id)[1])

    def adopt(self, tab: str) -> "list[str]":
        """Take over what earlier pages left, our tab's at once, another tab's when it is old enough; give the ids."""
        found = []
        for place in sorted(self._browser.names()):
            prefix, _, rest = place.partition("~")
            id, _, owner = rest.partition("~")
            if prefix != self._name or not ids.is_uuid(id) or id in self._kept:
                continue
            # A time to come is none that a call is young at: the clock was wrong, and has been put right.
            if owner == tab or abs(self._browser.now() - ids.time_of(id)) > ADOPTED_AFTER:
                self._kept[id] = (self._browser.get(place), place)
                found.append(id)
        return found
