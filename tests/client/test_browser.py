"""The browser as Python sees it, where the model of it would not tell: on a global of JavaScript's that is made up."""

from __future__ import annotations

from types import SimpleNamespace
from unittest import mock

from beknown.hosts import browser


def test_a_worker_hears_on_its_own_global_that_it_is_online_again() -> None:
    """What could not be sent offline would wait until the worker ends."""
    heard = {}
    worker = SimpleNamespace(addEventListener=heard.__setitem__)
    with mock.patch.multiple(browser, create=True, js=worker, create_proxy=lambda function: function):
        for window in (None, SimpleNamespace(document=None)):  # out of reach, and lent by PyScript
            heard.clear()
            seen = browser.Browser(window)
            seen.listen("online", len)
            seen.listen("pagehide", len)
            assert list(heard) == ["online"]
    with mock.patch.multiple(browser, create=True, js=SimpleNamespace()):
        browser.Browser(None).listen("online", len)  # a kernel in Node
