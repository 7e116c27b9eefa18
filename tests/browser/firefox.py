"""The Firefox that Debian ships, driven by WebDriver BiDi (https://www.w3.org/TR/webdriver-bidi/).

Why not Playwright here: its Firefox is a build of its own, and what it says to a stock one (channel "moz-firefox") the
extended-support release does not know (emulation.setMediaFeaturesOverride); geckodriver is not packaged. Firefox itself
serves the protocol, as JSON over a WebSocket; the few commands that a journey needs are these.

Rules:
- Page and Browser answer to the names that the tests call on Playwright's, as far as the tests call them: the same
  journeys run in both. What a page's script gives is plain values, as there.
- One process serves many tests: each has a user context of its own (a container: cookies, storage and cache apart).
"""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

from .patience import PATIENCE, until

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox") or ""
# Nothing may be contacted but the test's own servers.
PREFERENCES = {
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "browser.aboutwelcome.enabled": False,
    "browser.newtabpage.enabled": False,
    "browser.region.network.url": "",
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.search.update": False,
    "browser.startup.homepage": "about:blank",
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.dns.forceResolve": "127.0.0.1",  # every name is this machine's
    "services.settings.server": "data:,",
    "toolkit.telemetry.server": "",
}

# Logged as an error of the page although no script threw: a worker's script was on its way when the page was left.
NO_FAULTS = ("NS_BINDING_ABORTED",)


class Firefox:
    """A Firefox with one profile: it can be closed and opened again, as people do."""

    def __init__(self, profile: Path) -> None:
        self.profile = profile
        self.process: subprocess.Popen[bytes] | None = None
        self.pages: dict[str, Page] = {}  # by the protocol's name of their context
        profile.mkdir(exist_ok=True)
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
        (profile / "user.js").write_text("\n".join(lines))
        self.open()

    def open(self) -> None:
        """Start it, and a session of the protocol in it."""
        address = self.profile / "WebDriverBiDiServer.json"  # Firefox tells there which port it took
        address.unlink(missing_ok=True)
        command = [FIREFOX, "--headless", "--no-remote", "--profile", str(self.profile), "--remote-debugging-port", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: address.exists() and address.read_text().strip().endswith("}"), "Firefox to start", 60)
        port = json.loads(address.read_text())["ws_port"]
        self.numbers = itertools.count(1)
        self.connection = ExitStack()
        self.socket = self.connection.enter_context(connect(f"ws://127.0.0.1:{port}/session", max_size=None))
        self.call("session.new", capabilities={})
        self.call("session.subscribe", events=["log.entryAdded"])

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Give a command's result; raise Refused with Firefox's words if it does not do it."""
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv(timeout=4 * PATIENCE))
            if message["type"] == "event":
                self.hear(message["params"])
            elif message["id"] == number:
                break
        if message["type"] != "success":
            raise Refused(f"{method}: {message}")
        result: dict[str, Any] = message["result"]
        return result

    def hear(self, entry: dict[str, Any]) -> None:
        text, page = entry.get("text") or "", self.pages.get(entry["source"].get("context", ""))
        if page is None or text.startswith(NO_FAULTS):
            return
        if "[beknown]" in text:
            page.browser.said.append(text)
        elif (entry.get("type"), entry.get("level")) == ("javascript", "error") and "-Security-Policy" not in text:
            page.browser.errors.append(text)

    def close(self) -> None:
        """Close it as a person would, and wait until it has ended."""
        if self.process is not None:
            self.call("browser.close")
            self.connection.close()
            self.process.wait(timeout=30)
            self.process = None


class Refused(AssertionError):
    """Firefox does not do what it was told, or a script in a page threw."""


class FirefoxBrowser:
    """One person's Firefox: the whole of one that can be restarted, or a user context in one that others share."""

    def __init__(self, firefox: Firefox, *, is_shared: bool) -> None:
        self.firefox = firefox
        self.said: list[str] = []  # what beknown wrote to the console
        self.errors: list[str] = []  # exceptions that reached a page
        self.user = firefox.call("browser.createUserContext")["userContext"] if is_shared else "default"

    def page(self) -> Page:
        return Page(self)

    def listen(self) -> list[str]:
        """Give what beknown has said by now. Firefox's messages are read only while it is asked something."""
        self.firefox.call("session.status")
        return self.said

    def open(self) -> None:
        self.firefox.open()

    def cookies(self) -> list[dict[str, str]]:
        """Give each cookie's name, value and domain."""
        mine = {"type": "storageKey", "userContext": self.user}
        found = self.firefox.call("storage.getCookies", partition=mine)["cookies"]
        return [{**each, "value": each["value"]["value"]} for each in found]

    def close(self) -> None:
        """End this person's session: the whole browser, or their container."""
        mine = {name: page for name, page in self.firefox.pages.items() if page.browser is self}
        for name in mine:
            del self.firefox.pages[name]
        if self.user == "default":
            self.firefox.close()
        else:
            self.firefox.call("browser.removeUserContext", userContext=self.user)


class Page:
    """A tab."""

    def __init__(self, browser: FirefoxBrowser) -> None:
        self.browser, self.call = browser, browser.firefox.call
        self.context = self.call("browsingContext.create", type="tab", userContext=browser.user)["context"]
        browser.firefox.pages[self.context] = self

    def goto(self, url: str, *, wait_until: str = "load") -> None:
        """Load a page, until its load event, in the tab that is looked at: a hidden page is not counted."""
        self.bring_to_front()
        self.call("browsingContext.navigate", context=self.context, url=url, wait=WAITS[wait_until])

    def bring_to_front(self) -> None:
        self.call("browsingContext.activate", context=self.context)

    def reload(self) -> None:
        """Load the page again, until its load event, looked at as well."""
        self.bring_to_front()
        self.call("browsingContext.reload", context=self.context, wait="complete")

    def evaluate(self, script: str) -> Any:
        """Give the value of a script's last expression (a promise's: once it is fulfilled) as plain values."""
        answer = self.call("script.evaluate", expression=script, target={"context": self.context}, awaitPromise=True)
        if answer["type"] != "success":
            raise Refused(answer["exceptionDetails"]["text"])
        return plain(answer["result"])

    def wait_for_function(self, expression: str) -> None:
        """Wait until an expression is true, also over a page that is just being loaded."""
        until(lambda: self._is_true(expression), expression)

    def _is_true(self, expression: str) -> bool:
        try:
            return bool(self.evaluate(f"!!({expression})"))
        except Refused:
            return False

    def wait_for_url(self, url: str) -> None:
        self.wait_for_function(f"location.href == {json.dumps(url)} && document.readyState == 'complete'")

    def wait_for_timeout(self, milliseconds: float) -> None:
        self.evaluate(f"new Promise((resolve) => setTimeout(resolve, {milliseconds}))")

    def click(self, selector: str) -> None:
        """Click into the middle of an element, as with a mouse."""
        where = f"document.querySelector({json.dumps(selector)}).getBoundingClientRect()"
        x, y = self.evaluate(f"(({{x, y, width, height}}) => [x + width / 2, y + height / 2])({where})")
        moves = [
            {"type": "pointerMove", "x": round(x), "y": round(y)},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        mouse = {"type": "pointer", "id": "mouse", "actions": moves}
        self.call("input.performActions", context=self.context, actions=[mouse])

    def add_init_script(self, script: str) -> None:
        """Run this in every page of the tab before its own scripts."""
        self.call("script.addPreloadScript", functionDeclaration=f"() => {{ {script} }}", contexts=[self.context])

    def close(self) -> None:
        del self.browser.firefox.pages[self.context]
        self.call("browsingContext.close", context=self.context)


WAITS = {"load": "complete", "commit": "none", "domcontentloaded": "interactive"}


def plain(value: dict[str, Any]) -> Any:
    """Give a value of the protocol (script.RemoteValue) as JSON would have it."""
    kind, held = value["type"], value.get("value")
    if kind == "array":
        return [plain(each) for each in held or []]
    if kind == "object":
        return {name: plain(each) for name, each in held or []}
    return held if kind in ("string", "number", "boolean") else None
