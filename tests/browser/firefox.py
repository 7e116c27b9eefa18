"""The Firefox that Debian ships, driven by WebDriver BiDi (https://www.w3.org/TR/webdriver-bidi/).

Why not Playwright here: its Firefox is a build of its own, and what it says to a stock one (channel "moz-firefox") the
extended-support release does not know (emulation.setMediaFeaturesOverride); geckodriver is not packaged. Firefox itself
serves the protocol, as JSON over a WebSocket; the few commands that a journey needs are these.
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

from .conftest import PATIENCE, until

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
    "services.settings.server": "data:,",
    "toolkit.telemetry.server": "",
}


class Firefox:
    """A Firefox with one profile: it can be closed and opened again, as people do."""

    def __init__(self, profile: Path) -> None:
        self.profile = profile
        self.said: list[str] = []  # what beknown wrote to the console
        self.errors: list[str] = []  # exceptions that reached a page
        self.process: subprocess.Popen[bytes] | None = None
        profile.mkdir(exist_ok=True)
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
        (profile / "user.js").write_text("\n".join(lines))
        self.open()

    def open(self) -> None:
        """Start it, and a session of the protocol in it."""
        address = self.profile / "WebDriverBiDiServer.json"  # Firefox tells there which port it took
        address.unlink(missing_ok=True)
        command = [
            FIREFOX,
            "--headless",
            "--no-remote",
            "--profile",
            str(self.profile),
            "--remote-debugging-port",
            "0",
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: address.exists() and address.read_text().strip().endswith("}"), "Firefox to start", 60)
        port = json.loads(address.read_text())["ws_port"]
        self.numbers = itertools.count(1)
        self.connection = ExitStack()
        self.socket = self.connection.enter_context(connect(f"ws://127.0.0.1:{port}/session", max_size=None))
        self.call("session.new", capabilities={})
        self.call("session.subscribe", events=["log.entryAdded"])
        self.page = self.call("browsingContext.getTree")["contexts"][0]["context"]

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Give a command's result; raise AssertionError with Firefox's words if it refuses."""
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv(timeout=4 * PATIENCE))
            if message["type"] == "event":
                self.hear(message["params"])
            elif message["id"] == number:
                break
        assert message["type"] == "success", f"{method}: {message}"
        result: dict[str, Any] = message["result"]
        return result

    def hear(self, entry: dict[str, Any]) -> None:
        text = entry.get("text") or ""
        if "[beknown]" in text:
            self.said.append(text)
        elif entry.get("type") == "javascript" and entry.get("level") == "error" and "-Security-Policy" not in text:
            self.errors.append(text)

    def goto(self, url: str) -> None:
        """Load a page, until its load event."""
        self.call("browsingContext.navigate", context=self.page, url=url, wait="complete")

    def reload(self) -> None:
        """Load the page again, until its load event."""
        self.call("browsingContext.reload", context=self.page, wait="complete")

    def evaluate(self, expression: str) -> Any:
        """Give an expression's value (a promise's: once it is fulfilled) in the page, as plain JSON values."""
        script = f"(async () => JSON.stringify((await ({expression})) ?? null))()"
        answer = self.call("script.evaluate", expression=script, target={"context": self.page}, awaitPromise=True)
        assert answer["type"] == "success", answer["exceptionDetails"]["text"]
        return json.loads(answer["result"]["value"])

    def run(self, statements: str) -> None:
        """Run statements in the page."""
        self.evaluate(f"(() => {{ {statements} }})()")

    def close(self) -> None:
        """Close it as a person would, and wait until it has ended."""
        if self.process is not None:
            self.call("browser.close")
            self.connection.close()
            self.process.wait(timeout=30)
            self.process = None
