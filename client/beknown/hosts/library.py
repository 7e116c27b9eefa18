"""beknown as a Python library for pages: the names that ``import beknown`` offers.

    import beknown
    beknown.init("bk_...", api="https://t.example.com")
    beknown.capture("report_opened", {"rows": 120})

Rules:
- The names and arguments are the tag's (design: contract.md); Python values go in, Python values come out. Options may
  be JavaScript's object of them, or named.
- One brain per page: the tag's, where the page has it with the same key (tag.py; bridge.py from a worker that does not
  see the page), and otherwise our own (page.py).
- One wall: no call raises into the page, except ``init`` where it can never work. The console says what was wrong.
"""

import sys

from .. import failure
from ..errors import BadCall
from . import arguments, settings
from . import browser as _browser
from .bridge import Bridge
from .hooks import check
from .page import Page
from .spans import Scope, named, scoped, timed
from .tag import Tag
from .wall import forgiving

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .browser import Browser
    from .hooks import Hook

    Bag = dict[str, Any]


class Library:
    """The one brain behind the module's functions, and what rides on its events."""

    def __init__(self, found: "Callable[[], Browser | None]" = _browser.found) -> None:
        self._found = found
        self._browser: "Browser | None" = None
        self._brain: "Page | Tag | Bridge | None" = None
        self._scopes: "list[tuple[Any, Bag]]" = []  # (task, properties), outermost first
        self._has_complained = False
        self._begun = ("", "")  # key and api of init()
        self._early: "list[Hook]" = []  # before init()

    # Beginning ----------------------------------------------------------------------------------------------------

    def init(self, key: str, api: str = "", *, exceptions: bool = False, **options: "Any") -> None:
        """Begin. ``api`` is the collector's address; ``options`` are the tag's data- attributes, as in
        ``pageviews="off"`` or ``cookie_domain="example.com"``; ``exceptions`` captures uncaught Python exceptions.

        A second call does nothing, and says so once if it is for another key or address. Raises BadCall outside a
        browser, or where key or address is missing: the tag knows the address, so a page that has it, and a worker that
        may find it by bridge.js, need none.
        """
        if self._brain is not None:
            self._begin_again(key, api)
            return
        found = self._found()
        if found is None:
            raise BadCall(
                "beknown.init() is for Python in a page (PyScript, Pyodide). On a server use beknown.backend.Client."
            )
        script = found.tag(key) if isinstance(key, str) and key else None
        if not isinstance(key, str) or not key or not (api or script or not found.has_page):
            raise BadCall(
                "beknown.init() needs the project's key and the collector's address: "
                'beknown.init("bk_...", api="https://t.example.com"). `beknown snippet --pyscript` prints both.'
            )
        self._browser, self._begun = found, (key, api)
        if script is not None:
            if options:
                given = ", ".join(sorted(options))
                found.say("warn", f"init() ignores {given}: on this page the tag's own data- attributes count.")
            self._brain = Tag(found, script)
            for method, names, function in self._early:
                self._hook(method, names, function, function)
        else:
            self._brain = brain = self._without_tag(found, options)
            brain.begin(self._early)  # whose functions may call already
        if exceptions:
            self._watch(found)

    def _without_tag(self, found: "Browser", options: "Bag") -> "Page | Bridge":
        """Give the brain where no tag is to be seen: our own, or the page's tag by way of bridge.js."""
        for name in sorted(set(options) - set(settings.KNOWN)):
            found.say("warn", f"init(): {name} does nothing on a page that only Python measures; the tag has it.")
        given = settings.attributes(options)
        key, api = self._begun

        def page() -> Page:
            return Page(found, key, api.rstrip("/"), given)

        return page() if found.has_page else Bridge(found, key, page if api else None)

    def _begin_again(self, key: str, api: str) -> None:
        was_key, was_api = self._begun
        if was_key and (key != was_key or (was_api and api and str(api).rstrip("/") != was_api.rstrip("/"))):
            at = f"{was_key} at {was_api}" if was_api else was_key
            self._say("warn", f"init(): already begun with {at}; reload the page or restart the kernel to change it.")
            self._begun = ("", "")  # once

    # Calls --------------------------------------------------------------------------------------------------------

    def capture(self, event: str, properties: "Bag | None" = None, options: "Bag | None" = None) -> None:
        """Something happened. ``options`` may hold ``$set``, ``$set_once`` and ``$unset`` for the person, a
        ``timestamp`` (ISO 8601 or ms) and a ``uuid``."""
        self._capture(event, {}, properties, options)

    def _capture(self, event: str, about: "Bag", properties: "Bag | None", options: "Bag | None" = None) -> None:
        """Capture an event: the caller's properties win over what we have to say about it, that over the scope's."""

        def take(brain: "Any") -> None:
            below = arguments.bag("properties", scoped(self._scopes) | about, self._warn)
            name, own, wanted = arguments.plain("capture", [event, properties, options], self._warn)
            brain.take("capture", [name, below | own, wanted])

        self._do("capture", take)

    def identify(
        self,
        distinct_id: str,
        set: "Bag | None" = None,
        set_once: "Bag | None" = None,
        options: "Bag | None" = None,
        *,
        signature: str = "",
    ) -> None:
        """This visitor is that user of yours. ``signature``: what your backend's ``sign`` gives for this id."""
        self._call("identify", distinct_id, set, set_once, arguments.options(options, signature=signature))

    def reset(
        self, options: "Bag | bool | None" = None, *, device: bool = False, keep: "list[str] | None" = None
    ) -> None:
        """The user has gone; whoever comes next is somebody else (with ``device``: on another device, too)."""
        self._call("reset", arguments.options(options, device=device, keep=keep))

    def alias(self, id: str, options: "Bag | str | None" = None, *, signature: str = "") -> None:
        """That id is another name of this visitor. ``signature``: of whichever of the two ids is the user's."""
        self._call("alias", id, arguments.options(options, signature=signature))

    def group(self, type: str, key: str, properties: "Bag | None" = None) -> None:
        """From now on this visitor acts for that company, team or the like."""
        self._call("group", type, key, properties)

    def reset_groups(self) -> None:
        """From now on this visitor acts for nobody but themselves."""
        self._call("reset_groups")

    def register(self, properties: "Bag") -> None:
        """Put these on every event from now on, until ``reset``."""
        self._call("register", properties)

    def register_once(self, properties: "Bag") -> None:
        """The same, for names that are not registered yet."""
        self._call("register_once", properties)

    def register_for_session(self, properties: "Bag") -> None:
        """The same, until the session ends."""
        self._call("register_for_session", properties)

    def unregister(self, name: str) -> None:
        """No longer put this on every event."""
        self._call("unregister", name)

    def set_person_properties(self, set: "Bag | None" = None, set_once: "Bag | None" = None) -> None:
        """Something about the person, whoever they are."""
        self._call("set_person_properties", set, set_once)

    def create_person_profile(self) -> None:
        """This visitor is a person of their own, with a first touch, before anybody names them."""
        self._call("create_person_profile")

    def unset_person_properties(self, names: "list[str]") -> None:
        """Forget these about the person."""
        self._call("unset_person_properties", names)

    def opt_in(self) -> None:
        """The visitor says yes: from now on they may be known. What waited is run."""
        self._do("opt_in", lambda brain: brain.opt_in())

    def opt_out(self) -> None:
        """The visitor says no: they are forgotten here, and nothing is sent from now on."""
        self._do("opt_out", lambda brain: brain.opt_out())

    def consent(self) -> str:
        """Give what holds now: ``granted``, ``pending``, ``cookieless`` or ``denied``; "" before ``init``."""
        return self._asked("consent", lambda brain: brain.consent())

    def before_send(self, edit: "Callable[[Any], Any]") -> None:
        """Let a function see each event before it leaves: what it gives is sent, None or an exception drops it."""
        self._hook("before_send", [], edit, edit)

    def on(self, what: str, told: "Callable[[Any], Any]") -> "Callable[[], None]":
        """Be told of ``capture`` (the event), ``identify``, ``reset`` (the distinct id), ``session``, ``error``; gives
        a function that ends it."""
        live = [told]
        self._hook("on", [what], told, lambda detail: [each(detail) for each in live])
        return live.clear

    def _hook(self, method: str, names: "list[str]", given: "Any", function: "Callable[[Any], Any]") -> None:
        """Take a function of the page's; before ``init`` it waits, so that it sees the first page view."""

        def take() -> None:
            check(method, names, given)
            if self._brain is None:
                self._early.append((method, names, function))
            else:
                self._brain.hook(method, names, function)

        self._walled(method, take)

    def _call(self, name: str, *args: "Any") -> None:
        self._do(name, lambda brain: brain.take(name, arguments.plain(name, list(args), self._warn)))

    def _do(self, name: str, action: "Callable[[Any], None]") -> None:
        if self._brain is None:
            self._complain(name)
        else:
            self._walled(name, lambda: action(self._brain))

    def _walled(self, name: str, action: "Callable[[], None]") -> None:
        try:
            action()
        except Exception as error:  # the wall: whatever happens in here, the page goes on
            self._explain(name, error)

    def _explain(self, name: str, error: Exception) -> None:
        is_ours = isinstance(error, BadCall)
        self._say("error", f"{name}(): {error}" if is_ours else f"{name}() failed and was dropped: {error!r}")

    def _complain(self, name: str) -> None:
        """Say once that init() is missing."""
        if not self._has_complained:
            self._has_complained = True
            self._say("error", f"beknown.{name}() came before beknown.init(key, api=...); such calls do nothing.")

    def _warn(self, text: str) -> None:
        self._say("warn", text)

    def _say(self, level: str, text: str) -> None:
        """Tell the page's author, also before init() and outside a browser."""
        found = self._browser or self._found()
        if found is None:
            print("[beknown] " + text, file=sys.stderr)
        else:
            found.say(level, text)

    # Answers ------------------------------------------------------------------------------------------------------

    def get_distinct_id(self) -> str:
        """Give who the visitor is to this page: an anonymous id, then the user's; "" before ``init``."""
        return self._asked("get_distinct_id", lambda brain: brain.identity()["distinct_id"])

    def get_device_id(self) -> str:
        """Give the id that outlives ``reset``; "" before ``init``."""
        return self._asked("get_device_id", lambda brain: brain.identity()["device"])

    def get_session_id(self) -> str:
        """Give the session's id; "" before ``init``."""
        return self._asked("get_session_id", lambda brain: brain.identity()["session"])

    def _asked(self, name: str, question: "Callable[[Any], Any]") -> str:
        answers: "list[str]" = []
        self._do(name, lambda brain: answers.append(str(question(brain))))
        return answers[0] if answers else ""

    async def ready(self) -> "dict[str, str]":
        """Wait until it is known who the visitor is; give ``runtime`` and ``version`` of this Python."""
        await self._waited("ready", lambda brain: brain.ready())
        runtime = "micropython" if _browser.IS_MICROPYTHON else "pyodide"
        return {"runtime": runtime, "version": ".".join([str(part) for part in sys.implementation.version[:3]])}

    async def flush(self) -> None:
        """Wait until everything so far is delivered or has failed for good."""
        await self._waited("flush", lambda brain: brain.flush())

    async def _waited(self, name: str, begin: "Callable[[Any], Any]") -> None:
        if self._brain is None:
            self._complain(name)
            return
        try:
            await begin(self._brain)
        except Exception as error:  # the wall
            self._explain(name, error)

    # Python's own -------------------------------------------------------------------------------------------------

    def properties(self, **properties: "Any") -> "Scope":
        """Put these on every event captured inside a ``with`` block, by the task that entered it."""
        return Scope(self._scopes, properties)

    def captured(self, event: "Any" = "", properties: "Bag | None" = None) -> "Any":
        """Decorate a function, ``async`` or not: each call is an event with ``duration_ms``, and ``exception``
        (its type's name) where one was raised. Without brackets the event has the function's name."""
        if callable(event):
            return self.captured(named(event), properties)(event)
        if not isinstance(event, str) or not event:
            self._say(
                "error", 'captured() needs a name: @beknown.captured("report_rendered"). This one is not captured.'
            )
            return lambda function: function
        return lambda function: timed(function, lambda about: self._capture(event, about, properties))

    def _watch(self, found: "Browser") -> None:
        """Capture what is raised where nobody catches it: in event handlers, promises and tasks."""

        def told(traceback: str) -> None:
            about = failure.shape(traceback)
            if about:
                self._call("capture", "$exception", about, None)

        found.on_failure(told)


for _name in dir(Library):
    if _name[0] != "_" and _name != "init":
        setattr(Library, _name, forgiving(_name, getattr(Library, _name)))
_library = Library()
alias = _library.alias
before_send = _library.before_send
capture = _library.capture
captured = _library.captured
consent = _library.consent
create_person_profile = _library.create_person_profile
flush = _library.flush
get_device_id = _library.get_device_id
get_distinct_id = _library.get_distinct_id
get_session_id = _library.get_session_id
group = _library.group
identify = _library.identify
init = _library.init
on = _library.on
opt_in = _library.opt_in
opt_out = _library.opt_out
properties = _library.properties
ready = _library.ready
register = _library.register
register_for_session = _library.register_for_session
register_once = _library.register_once
reset = _library.reset
reset_groups = _library.reset_groups
set_person_properties = _library.set_person_properties
unregister = _library.unregister
unset_person_properties = _library.unset_person_properties
