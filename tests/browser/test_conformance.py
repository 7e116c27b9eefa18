"""The cases of tests/conformance that need nothing but a page's calls and tag, in a real Chromium against a real
server: through the tag on MicroPython and on Pyodide, and through ``import beknown`` in each setting that PyScript has.

``$set`` and ``$set_once`` are not compared here: they reach persons, not events.
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Iterator
from typing import Any

import pytest
from beknown.hosts.library import Library
from playwright.sync_api import Playwright

from ..client.test_conformance import CASES, compare, named
from .pyscript import SETTINGS
from .stages import PyodideTagStage, PythonStage, TagStage, staged


def is_for_pages(case: dict[str, Any]) -> bool:
    """Tell whether a case uses only what a page can do: calls, the next page, and what is found there."""
    return (
        case.get("browser", True)
        and set(case) <= {"case", "browser", "python", "options", "facts", "stored", "steps", "events", "said", "state"}
        and set(case.get("facts", {})) <= {"posthog"}
        and all(isinstance(step, list) or step == {"page": True} for step in case["steps"])
    )


def is_for_python(case: dict[str, Any]) -> bool:
    """Tell whether Python can make a case's calls: it refuses unknown names and missing arguments by itself."""
    if not case.get("python", True):
        return False  # as JavaScript's numbers are rounded, and Python's are not
    if case.keys() & {"options", "facts", "stored"}:
        return False  # the stage's pages have one init() for all cases, and begin with nothing stored
    for step in case["steps"]:
        if isinstance(step, list):
            try:
                inspect.signature(getattr(Library, step[0])).bind(None, *step[1:])
            except (AttributeError, TypeError):
                return False
    return True


FOR_PAGES = [case for case in CASES if is_for_pages(case)]
FOR_PYTHON = [case for case in FOR_PAGES if is_for_python(case)]
HOSTS: dict[str, Any] = {"tag": TagStage, "tag pyodide": PyodideTagStage}
HOSTS |= {setting: PythonStage(setting, FOR_PYTHON) for setting in SETTINGS}
PLAYED = [(host, case) for host in HOSTS for case in (FOR_PYTHON if host in SETTINGS else FOR_PAGES)]


@pytest.fixture(scope="module")
def stage_of(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Give the stage of a host; one stands at a time, for the cases come host by host."""
    standing: list[Any] = []

    @functools.cache
    def of(host: str) -> Any:
        take_down()
        standing.append(staged(HOSTS[host], playwright, tmp_path_factory.mktemp("conformance")))
        return standing[0].__enter__()

    def take_down() -> None:
        while standing:
            standing.pop().__exit__(None, None, None)

    yield of
    take_down()


@pytest.mark.parametrize(("host", "case"), PLAYED, ids=[f"{host}-{named(case['case'])[5:]}" for host, case in PLAYED])
def test_it_is_so_in_the_browser_too(stage_of: Any, host: str, case: dict[str, Any]) -> None:
    expected = json.loads(json.dumps(case))
    for event in expected.get("events", []):
        if isinstance(event, dict):
            event.pop("$set", None)
            event.pop("$set_once", None)
    compare(expected, stage_of(host).play(case, FOR_PAGES.index(case)), {})


def test_there_are_cases_for_the_browser() -> None:
    assert len(FOR_PAGES) >= 160
    assert len(FOR_PYTHON) >= 130
