"""The browser as the page's own Python sees it (PyScript, Pyodide, JupyterLite): plain Python in, plain Python out.

Rules:
- Only this file, cookies.py, lifecycle.py, uncaught.py and foreign.py touch ``js``. Nothing foreign leaves them but
  events, and nothing crosses the border but texts: MicroPython truncates whole numbers beyond 32 bits there, Pyodide
  keeps every proxy alive until it is destroyed. What is more than a text crosses as JSON, parsed on the other side.
- Storage may be blocked, full, or not there at all: every access may raise, and then answers with nothing. On
  MicroPython what JavaScript throws in a call flies past Python's ``except`` into the page: there nothing is called
  that could throw, but in a promise's executor, which keeps it.
- In a worker the page is out of reach, unless PyScript lends it (``pyscript.window``, which needs SharedArrayBuffer).
  Without it there is no cookie and no localStorage: memory keeps the visitor until the worker ends.
- Outside a browser this file can be imported, and ``found`` answers None.
"""

import asyncio
import json
import sys
import time

from . import uncaught
from .cookies import Cookies
from .lifecycle import Lifecycle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

IS_MICROPYTHON = sys.implementation.name == "micropython"
IN_BROWSER = sys.platform in ("emscripten", "webassembly")
if IN_BROWSER:
    import js  # type: ignore[import-not-found]

    if IS_MICROPYTHON:
        from jsffi import create_proxy  # type: ignore[import-not-found]
    else:
        from pyodide.ffi import create_proxy  # type: ignore[import-not-found]

MARK = "~"  # after a tab's id: its page was left, its next one goes on with it
KEEPALIVE = 60000  # bytes; fetch refuses more than 64 KiB of what is to outlive the page


class Browser:
    """One page's window, or the lack of it."""

    def __init__(self, window: "Any") -> None:
        self._window = window
        self.lifecycle = Lifecycle(window, self.say)
        self.has_page = window is not None
        self.in_worker = IN_BROWSER and window is not js  # the page's window is then lent, or out of reach
        # Held, since in PyScript's worker each step to the page is a message and a wait.
        self._document = self._attempt(lambda: window.document)
        # Where cookies are blocked, and in a sandboxed frame (its origin is "null"), all storage throws.
        allowed = self._attempt(lambda: bool(window.navigator.cookieEnabled) and str(window.origin) != "null")
        self._is_blocked = IS_MICROPYTHON and not allowed
        self._area = "localStorage"
        self._local = self._storage_of("localStorage")
        self._storage = self._local  # of the area
        host = self._attempt(lambda: str(window.location.hostname)) or ""
        is_secure = self._attempt(lambda: window.location.protocol == "https:") is True
        self._cookies = Cookies(None if self._is_blocked else self._document, host, is_secure)
        self._memory: "dict[str, str]" = {}  # what would be in localStorage
        self._tasks: "list[Any]" = []
        self._answer: "Any" = None  # what a function of the page's gave last

    # Storage ------------------------------------------------------------------------------------------------------

    def _attempt(self, action: "Callable[[], Any]") -> "Any":
        try:
            return action()
        except Exception:  # blocked, full, or no page
            return None

    @property
    def area(self) -> str:
        """Which of the window's storages keeps what is no cookie; "" for none: memory."""
        return self._area

    @area.setter
    def area(self, name: str) -> None:
        if name != self._area:
            self._storage = self._storage_of(name) if name else None
        self._area = name

    def _storage_of(self, name: str) -> "Any":
        if self._is_blocked:
            return None
        if not IS_MICROPYTHON or self.in_worker:
            return self._attempt(lambda: getattr(self._window, name))
        # A frame of another site may be refused it, whatever it says of cookies: Object.assign asks the getter.
        found, fields = js.Object.new(), js.JSON.parse(json.dumps({name: {"enumerable": True}}))
        getattr(fields, name).get = js.Reflect.get.bind(None, js.window, name)
        js.Promise.new(js.Object.assign.bind(None, found, js.Object.create(None, fields))).catch(js.Boolean)
        return getattr(found, name, None)

    def cookie(self, name: str) -> str:
        """Give a cookie's decoded text; "" if there is none or cookies are blocked."""
        return self._cookies.get(name)

    def set_cookie(self, name: str, text: str, domain: str) -> None:
        """Keep a cookie for 400 days, "" deletes it; for a domain, or for the widest that the browser allows."""
        self._cookies.set(name, text, domain)

    def get(self, name: str) -> str:
        """Give what localStorage holds under a name, or memory where there is none."""
        return self._attempt(lambda: self._storage.getItem(name)) or self._memory.get(name, "")

    def local(self, name: str) -> str:
        """Give what localStorage itself holds under a name, whichever storage the visitor is kept in."""
        return self._attempt(lambda: self._local.getItem(name)) or ""

    def put(self, name: str, text: str) -> None:
        """Keep a text in localStorage, or in memory if that fails."""

        if self._attempt(lambda: self._set(self._storage, name, text)):
            self._memory.pop(name, None)
        else:
            self._memory[name] = text

    def _set(self, storage: "Any", name: str, text: str) -> bool:
        if not IS_MICROPYTHON:
            storage.setItem(name, text)
            return True
        js.Promise.new(storage.setItem.bind(storage, name, text)).catch(js.Boolean)  # full, it throws
        return bool(storage.getItem(name) == text)

    def remove(self, name: str) -> None:
        """Forget what was kept under a name."""
        self._memory.pop(name, None)
        self._attempt(lambda: self._storage.removeItem(name))

    def names(self) -> "list[str]":
        """Give the names that localStorage and memory hold."""
        kept = self._storage  # None: of that Object.keys would throw
        found = self._attempt(lambda: js.JSON.stringify(self._window.Object.keys(kept))) if kept is not None else ""
        return (json.loads(found) if found else []) + list(self._memory)

    def tab(self, name: str, fresh: str, *, is_used: bool = False) -> str:
        """Give the id that the tab's last page has left, or else ``fresh``, which stays if it ``is_used`` already.
        static/beknown.js says why it is marked; a worker, which does not hear that its page is left, marks it at once,
        and a tab that is copied then shares it."""

        def read() -> str:
            storage = self._marks()
            left, mark, _ = str(storage.getItem(name) or "").partition(MARK)
            mine = left if mark and not is_used else fresh
            self._set(storage, name, mine + MARK if self.in_worker else mine)
            return mine

        return self._attempt(read) or fresh

    def _marks(self) -> "Any":
        """Give what keeps a tab's id; None in a frame, which would write over that of its page."""
        window = self._window
        is_top = self._attempt(lambda: getattr(window.Object, "is")(window.self, window.top))
        return self._storage_of("sessionStorage") if is_top is True else None

    def pass_on(self, name: str, tab: str, mark: str = MARK) -> None:
        """Leave the tab's id, where it is kept, for its next page; "" forgets it, without the mark it is in use."""

        def write() -> None:
            storage = self._marks()
            if storage.getItem(name):
                self._set(storage, name, tab + mark if tab else "")

        self._attempt(write)

    # What is known of page and visitor ----------------------------------------------------------------------------

    def now(self) -> float:
        """Give the time in ms since 1970."""
        return time.time() * 1000

    def where(self) -> "dict[str, str]":
        """Give address, referrer and title of the page."""
        if not self.has_page:
            return {"url": str(js.location.href), "referrer": "", "title": ""}
        document = self._document
        return {"url": str(document.URL), "referrer": str(document.referrer), "title": str(document.title)}

    def facts(self) -> "dict[str, Any]":
        """Give what the tracker wants to know of browser, screen and window."""
        navigator = js.navigator
        found = {
            "agent": str(navigator.userAgent),
            "brands": self._attempt(lambda: str(js.JSON.stringify(navigator.userAgentData.brands))),
            "language": str(navigator.language),
            "timezone": self._attempt(lambda: js.Intl.DateTimeFormat().resolvedOptions().timeZone),
            "offset": int(js.Date.new().getTimezoneOffset()),
            "driven": self.has_page and self._window.navigator.webdriver is True,
            "gpc": self._attempt(self._is_signalled),
        }
        if self.has_page:
            window = self._window
            found["screen"] = [window.screen.width, window.screen.height]
            found["viewport"] = [window.innerWidth, window.innerHeight]
        return found

    def _is_signalled(self) -> bool:
        """Tell whether Global Privacy Control or Do Not Track is on, as the page has it: workers lack the latter."""
        navigator = self._window.navigator if self.has_page else js.navigator
        told = [str(getattr(navigator, name, "")) for name in ("globalPrivacyControl", "doNotTrack")]
        return told[0] in ("True", "true") or told[1] == "1"

    # Sending ------------------------------------------------------------------------------------------------------

    async def post(self, url: str, body: str) -> "dict[str, Any]":
        """Post a text; give status (0: no answer), retry_after in ms, and the server's words, if it complained."""
        result: "dict[str, Any]" = {"status": 0, "retry_after": 0, "detail": ""}
        # text/plain needs no preflight across origins; keepalive lets it outlive the page. Bytes count, not characters:
        # MicroPython's json.dumps leaves them unescaped.
        how = {"method": "POST", "body": body, "keepalive": len(body.encode()) < KEEPALIVE, "credentials": "include"}
        try:
            response = await js.fetch(url, js.JSON.parse(json.dumps(how)))
            result["status"] = int(response.status)
            result["retry_after"] = _wait(str(response.headers.get("Retry-After") or ""))
            said = await response.text()  # in any case: until then the request counts among those that outlive the page
            found = json.loads(said)
            result["detail"] = found.get("detail", "") if result["status"] != 200 else ""
        except ValueError:  # a 200 that is no JSON is some page of a site: it has not taken the events
            result["status"] = 404 if result["status"] == 200 else result["status"]
        except Exception:  # offline, blocked, a JSON that is no object: the status says enough
            pass
        return result

    def beacon(self, url: str, body: str) -> bool:
        """Post a text that need not be answered, while the page is being left; say whether the browser took it.

        It takes 64 KiB, all of a page's unanswered ones together (Fetch standard, "keepalive").
        """
        return bool(self._attempt(lambda: self._window.navigator.sendBeacon(url, body)))

    def spawn(self, work: "Callable[[], Coroutine[Any, Any, None]]") -> None:
        """Run an ``async`` function beside the page's own work."""
        begin = asyncio.ensure_future if hasattr(asyncio, "ensure_future") else asyncio.create_task
        self._tasks = [task for task in self._tasks if not task.done()]
        self._tasks.append(begin(work()))  # kept: the loop alone would let go of it

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    # The page -----------------------------------------------------------------------------------------------------

    def say(self, level: str, text: str) -> None:
        """Tell the page's author, in the console (``error`` or ``warn``)."""
        getattr(js.console, level)("[beknown] " + text)

    def line(self, key: str, heard: "Callable[[str], None]") -> "Callable[[str], None] | None":
        """Ask the page of this worker for a line (bridge.js): texts that come are ``heard``. Give what sends one."""

        def opened() -> "Any":
            post = js.postMessage  # first: where there is none (a kernel in Node), an open port would hold the process
            channel = js.MessageChannel.new()
            channel.port1.onmessage = create_proxy(lambda event: heard(str(event.data)))
            post(js.JSON.parse(json.dumps({"beknown": key})), js.Array.of(channel.port2))
            return channel.port1

        port = self._attempt(opened) if self._attempt(lambda: js.name) else None  # bridge.js names the page's workers
        return None if port is None else lambda text: port.postMessage(text)

    def on_failure(self, told: "Callable[[str], None]") -> None:
        """Hand on the traceback of each Python exception that nobody catches: in event handlers, promises, tasks."""
        uncaught.watch(self._window, told)

    def tag(self, key: str) -> "Any":
        """Give the page's beknown tag for a project's key, as its script element; None without one."""
        selector = f"script[data-key={json.dumps(key)}]"
        return self._attempt(lambda: self._window.document.querySelector(selector)) or None

    def loaded(self, name: str) -> "Any":
        """Give the tag that is a global of the page; None while there is a queue, whose members are any, or none."""
        there = self._attempt(lambda: getattr(self._window, name)) or None
        if there is None or self._window.Array.isArray(there):
            return None
        return there if self._attempt(lambda: bool(there.flush)) else None

    def on_load(self, script: "Any", function: "Callable[[], None]") -> None:
        """Call a function when a script of the page has run; on the page's own thread, in the task in which it has."""
        script.addEventListener("load", create_proxy(lambda _: function()))

    def queue(self, name: str, call: "list[Any]") -> bool:
        """Append to a list that is a global of the page; tell whether there is one."""
        # While Python runs, awaits included, PyScript puts its own script element in the place of
        # document.currentScript; a tag that loads meanwhile would look there for its key. What is deleted is only that.
        self._attempt(lambda: self._window.Reflect.deleteProperty(self._window.document, "currentScript"))
        there = self._attempt(lambda: getattr(self._window, name)) or None
        if there is None or not self._window.Array.isArray(there):
            return False
        self.apply(there, "push", [call])
        return True

    def hand(self, target: "Any", method: str, names: "list[str]", function: "Callable[[Any], Any]") -> "Any":
        """Call a method of a JavaScript object with texts and a Python function, which sees and gives plain data."""

        def told(detail: "Any" = None) -> "Any":
            answer = function(json.loads(js.JSON.stringify(detail)))
            # Held: MicroPython collects garbage when the outermost call ends, before JavaScript has taken its answer.
            self._answer = None if answer is None else self._window.JSON.parse(json.dumps(answer))
            return self._answer

        return getattr(target, method)(*(names + [create_proxy(told)]))

    def apply(self, target: "Any", method: str, args: "list[Any]") -> "Any":
        """Call a method of a JavaScript object with plain values."""
        # Not by Reflect.apply: from MicroPython in PyScript's worker that answers with a proxy, whatever was called.
        parse = self._window.JSON.parse
        return getattr(target, method)(
            *[float(arg) if _is_long(arg) else parse(json.dumps(arg)) for arg in args],
        )


def _wait(header: str) -> float:
    """Give the ms that a Retry-After asks for: seconds, or a date within three weeks; 0 if neither."""
    if header.isdigit():
        return float(header) * 1000
    at = js.Date.parse(header)
    if at != at:  # NaN: no date
        return 0
    gap = (int(at) - int(js.Date.now())) & 0xFFFFFFFF  # of each, MicroPython is given the last 32 bits
    return float(gap if gap < 1 << 31 else 0)


def _is_long(arg: "Any") -> bool:
    """Tell whether an argument is a whole number that MicroPython would cut at the border; floats pass."""
    return isinstance(arg, int) and not isinstance(arg, bool) and abs(arg) >= 1 << 31


def found() -> "Browser | None":
    """Give the browser that this Python runs in; None if it runs in none."""
    if not IN_BROWSER:
        return None
    if hasattr(js, "document") and not hasattr(js, "WorkerGlobalScope"):  # PyScript gives its workers a document
        return Browser(js)
    try:
        from pyscript import window  # type: ignore[import-not-found]

        window.document.cookie  # noqa: B018 - raises where the worker may not see the page
    except Exception:  # no PyScript, or no SharedArrayBuffer
        window = None
    return Browser(window)
