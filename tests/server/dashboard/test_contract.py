"""Everything that /api/openapi.json allows, and what it does not, asked of a real application: no 500, no surprise.

Schemathesis makes the questions from the description and holds each answer against it. It is used as a library: its
plugin for pytest is off (pyproject.toml), so that no other test pays for it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from beknown_server import openapi
from beknown_server.shapes import TEXT
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from .conftest import NOW, SECRET_KEY, Dashboard


def can_be_wrong(call: dict[str, Any]) -> bool:
    parameters = call.get("parameters", [])
    return "requestBody" in call or any(one["in"] == "query" or one["schema"] != TEXT for one in parameters)


# A call that takes nothing, or any text, cannot be asked wrongly. The live stream has no end: test_live.py.
CALLS = [
    (path, method, mode)
    for path, calls in openapi.PATHS.items()
    for method, call in calls.items()
    for mode in GenerationMode
    if path != "/api/live" and (mode.is_positive or can_be_wrong(call))
]
QUESTIONS = 10  # per call and mode
PATIENCE_S = 30.0  # for one answer, on a busy machine
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Give the API as Schemathesis knows it, of an application with somebody in it."""
    folder: Path = tmp_path_factory.mktemp("contract")
    made = Dashboard(f"sqlite:///{folder / 'beknown.db'}", demo=False)
    made.happens("$pageview", "anon-1", at=NOW - 5_000, **{"$pathname": "/"})
    made.happens("$identify", "ada", at=NOW - 4_000, anon="anon-1", set_={"email": "ada@example.com"})
    made.happens("Paid", "ada", at=NOW - 3_000, amount=39)
    made.store.warn(made.project.id, "junk_id", "null", "Mend it.", NOW)
    yield schemathesis.openapi.from_wsgi("/api/openapi.json", made.app)
    made.store.close()


@pytest.mark.parametrize(("path", "method", "mode"), CALLS, ids=str)
def test_each_call_keeps_to_its_description(described: Any, path: str, method: str, mode: GenerationMode) -> None:
    operation = described[path][method]

    @settings(max_examples=QUESTIONS, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        begun = time.monotonic()
        case.call_and_validate(headers={"Authorization": f"Bearer {SECRET_KEY}"}, checks=CHECKS)
        assert time.monotonic() - begun < PATIENCE_S

    ask()
