"""The browser as Python sees it, where the model of it would not tell: on a global of JavaScript's that is made up."""

from __future__ import annotations

import json
from types import SimpleNamespace
from unittest import mock

from beknown.hosts import browser


def test_only_a_worker_that_the_bridge_has_named_asks_its_page() -> None:
    """Without bridge.js nobody would answer, and what is captured meanwhile would be lost with the worker."""
    posted = []
    ports = SimpleNamespace(port1=SimpleNamespace(postMessage=posted.append), port2="port")
    worker = SimpleNamespace(
        postMessage=lambda *message: posted.append(message),
        MessageChannel=SimpleNamespace(new=lambda: ports),
        JSON=SimpleNamespace(parse=json.loads),
        Array=SimpleNamespace(of=lambda *each: list(each)),
    )
    with mock.patch.multiple(browser, create=True, js=worker, create_proxy=lambda function: function):
        for name, asked in (("", []), ("beknown", [({"beknown": "bk_test"}, ["port"])])):
            worker.name = name
            line = browser.Browser(None).line("bk_test", len)
            assert [line is not None, posted] == [bool(asked), asked]
