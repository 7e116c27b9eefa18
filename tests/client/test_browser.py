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


def test_a_frame_keeps_out_of_the_tab_id_that_it_shares_with_its_page() -> None:
    marks: dict[str, str] = {}
    area = SimpleNamespace(getItem=marks.get, setItem=marks.__setitem__)
    page = SimpleNamespace(sessionStorage=area, Object=SimpleNamespace(**{"is": lambda one, other: one is other}))
    page.self = page.top = page
    frame = SimpleNamespace(**page.__dict__ | {"top": page})
    frame.self = frame
    lone, framed = browser.Browser(page), browser.Browser(frame)
    assert lone.tab("bk~tab", "first") == "first"
    assert framed.tab("bk~tab", "frame's") == "frame's"
    framed.pass_on("bk~tab", "frame's")
    assert marks == {"bk~tab": "first"}
    lone.pass_on("bk~tab", "first")
    assert framed.tab("bk~tab", "frame's") == "frame's"
    assert lone.tab("bk~tab", "second") == "first"
