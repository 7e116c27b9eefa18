"""The page's own functions: before_send(fn), and on("capture" | "identify" | "reset" | "session" | "error", fn).

Rules:
- What they raise ends here. A before_send() that raises drops its event, and the console says so: better one event
  less than one that should have been edited.
- What they give passes the same table of values as a call's arguments: what cannot travel costs itself alone.
- An event passes once, before it is journalled as ready to send (static/hooks.js does the same for the tag).
- Whose an event is, when it happened and that it is sent once are not theirs to change. uuid and timestamp stay as they
  were. With another id it is dropped: it would join strangers, or part one visitor in two. Those of IDS may be taken
  out, as any property may; what has none left has an empty bag of them.
"""

import json

from ..errors import BadCall
from . import arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Hook = tuple[str, list[str], Callable[[Any], Any]]  # the call, what it names, the page's function

# The tracker speaks to the author of a tag; a page of Python alone has none.
OF_THE_TAG = (
    ("data-key in the beknown tag", "the key in beknown.init()"),
    ("data-api, or where beknown.js comes from", "api in beknown.init()"),
)
IDS = ("$device_id", "$anon_distinct_id")
TOLD = ("capture", "identify", "reset", "session", "error")


def check(method: str, names: "list[str]", function: "Any") -> None:
    """Raise BadCall, in words for the page's author, where before_send() or on() was given what it cannot call."""
    if method == "on" and names[0] not in TOLD:
        raise BadCall(f"on() tells of {', '.join(TOLD)}, not of {names[0]!r}.")
    if not callable(function):
        raise BadCall(f"{method}() needs a function, not {function!r}.")


class Hooks:
    """The functions in the order they came; ``say`` (level, text) tells the page's author."""

    def __init__(self, say: "Callable[[str, str], None]") -> None:
        self._say = say
        self._edits: "list[Callable[[Any], Any]]" = []
        self._told: "list[tuple[str, Callable[[Any], Any]]]" = []

    def __len__(self) -> int:
        return len(self._edits) + len(self._told)

    def edit_with(self, edit: "Callable[[Any], Any]") -> None:
        """Let a function see each event before it leaves: what it gives is sent, None drops the event."""
        self._edits.append(edit)

    def tell(self, what: str, told: "Callable[[Any], Any]") -> None:
        """Call a function with each thing of a kind."""
        self._told.append((what, told))

    def heard(self, what: str, detail: "Any") -> None:
        """Tell whoever listens."""
        for wanted, told in list(self._told):
            if wanted == what:
                try:
                    told(detail)
                except Exception as error:  # the page's own function; ours goes on
                    self._say("warn", f'the page\'s on("{what}") function failed: {error!r}')

    def edited(self, text: str) -> str:
        """Give a journal entry's text with its events as they may leave."""
        entry = json.loads(text)
        entry["events"] = [event for event in [self._edited(each) for each in entry["events"]] if event]
        for event in entry["events"]:
            self.heard("capture", json.loads(json.dumps(event)))
        return json.dumps(entry)

    def _edited(self, event: "dict[str, Any]") -> "dict[str, Any] | None":
        was = json.loads(json.dumps(event))
        try:
            now: "Any" = event
            for edit in self._edits:
                if now is not None:
                    now = edit(now)
            now = arguments.event(now, lambda text: self._say("warn", text))
            return None if now is None else _checked(now, was)
        except Exception as error:  # whatever the page's function does, the page goes on
            self._say("error", f'before_send() failed and the event "{was["event"]}" was dropped: {error!r}')
            return None


def _checked(now: "dict[str, Any]", was: "dict[str, Any]") -> "dict[str, Any]":
    """Give an edited event as it may be sent; raise BadCall where it is none any more, or somebody else's."""
    if not isinstance(now.get("event"), str) or not now["event"]:
        raise BadCall("it left no name")
    kept = {"properties": {}} | now | {"uuid": was["uuid"], "timestamp": was["timestamp"]}
    ids = [(kept["properties"].get(id), was["properties"].get(id)) for id in IDS]
    if kept.get("distinct_id") != was["distinct_id"] or any(id not in (None, before) for id, before in ids):
        raise BadCall("it changed whose it is, which identify() and reset() do")
    return kept
