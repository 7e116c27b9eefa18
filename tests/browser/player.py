"""Plays conformance cases through ``import beknown``, in a page's own Python.

Runs in the browser, on MicroPython and on Pyodide, on the main thread and in a worker (stages.py lays it beside the
library). Each case is a visitor of its own: storage is emptied, and ``{"page": true}`` begins with a new library, as
the next page would. What it answers is compared outside, by pytest.
"""

import json

from beknown import tracker
from beknown.hosts import browser, uncaught
from beknown.hosts.library import Library

tracker.LINGER = 0  # ms; a case waits for its events, and half a second each would be all that it does


class Heard(browser.Browser):
    """The page's browser; what would go to the console is kept, and pages that are over hear no more of the window."""

    def __init__(self, window):
        super().__init__(window)
        self.window = window
        self.said = []
        self.lifecycle.listen = lambda event, function: None

    def say(self, level, text):
        self.said.append(text)


class Player:
    """One window that is used again and again."""

    def __init__(self, window, key, api):
        self.window, self.key, self.api = window, key, api

    def begun(self, heard):
        library = Library(lambda: heard)
        library.init(self.key, api=self.api, pageviews="off", bots="count")
        return library

    async def play(self, case):
        """Let a new visitor make a case's calls; give what became of them."""
        window, name = self.window, "bk_" + self.key
        window.localStorage.clear()
        window.sessionStorage.clear()
        window.document.cookie = name + "=; path=/; max-age=0"
        heard = Heard(window)
        library = self.begun(heard)
        for step in case["steps"]:
            if isinstance(step, dict):
                if not heard.in_worker:  # which does not hear that its page is left
                    heard.pass_on(name + "~tab", library._brain.tab)
                library = self.begun(heard)
            else:
                getattr(library, step[0])(*step[1:])
        await library.flush()
        return {
            "tab": library._brain.tab,
            "stored": [heard.cookie(name), heard.get(name)],
            "said": heard.said,
            "journal": [place for place in heard.names() if place.startswith(name + "~")],
        }

    async def play_all(self, cases):
        """Give the outcomes of all cases as JSON text, in their order; of one that failed, the traceback."""
        outcomes = []
        for case in cases:
            try:
                outcomes.append(await self.play(case))
            except Exception as error:
                outcomes.append({"failed": uncaught.traceback_of(error)})
        return json.dumps(outcomes)
