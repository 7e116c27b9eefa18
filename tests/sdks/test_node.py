"""The ``posthog-node`` package, as published: both wires, every call, flags, and every fault that it survives."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from .conftest import Collected, Line

HERE = Path(__file__).parent
PACKAGE = HERE.parents[1] / "static/node_modules/posthog-node/package.json"
WIRES = {"v0": "/batch", "v1": "/i/v1/analytics/events"}


def run(line: Line, key: str, scenario: str, wire: str = "v0") -> list[dict[str, Any]]:
    """Run a scenario; give the errors that the SDK reported. It must not have written anything else."""
    node = shutil.which("node")
    assert node, "Node is needed: make test brings one"
    environment = {**os.environ, "POSTHOG_CAPTURE_MODE": wire, "NO_COLOR": "1"}
    done = subprocess.run(
        [node, HERE / "visit.mjs", line.url, key, scenario], env=environment, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr
    said = [json.loads(text) for text in done.stdout.splitlines() if text.startswith("{")]
    assert done.stderr == "" or said, done.stderr  # it repeats there what it reports
    return said


def test_it_is_the_version_of_the_reference() -> None:
    assert json.loads(PACKAGE.read_text())["version"] == "5.70.0"


@pytest.mark.parametrize("wire", WIRES)
def test_every_call_arrives_once_without_an_error(line: Line, collected: Collected, wire: str) -> None:
    assert run(line, collected.key, "calls", wire) == []
    calls = "signed up|$identify|$identify|$create_alias|$groupidentify|$set|$set|personless|in context|at once"
    assert collected.names() == Counter(calls.split("|"))
    person = collected.person("u1")
    assert sorted(person["distinct_ids"]) == ["a1", "phone-7", "u1"]
    assert (person["properties"]["email"], person["properties"]["name"]) == ("ada@x.example", "Ada")
    assert "phone" not in person["properties"]  # it was set, and unset
    assert person["is_identified"]
    assert collected.one("signed up")["properties"]["$groups"] == {"company": "acme"}
    assert collected.one("signed up")["properties"]["$lib"] == "posthog-node"
    assert collected.one("in context")["properties"]["$session_id"] == "s1"
    assert collected.one("$groupidentify")["distinct_id"] == "$company_acme"
    assert collected.warnings() == {}
    assert set(line.requests("/")) == {200}
    assert line.requests("/flags") == [200]


def test_without_compression_it_is_the_same(line: Line, collected: Collected) -> None:
    assert run(line, collected.key, "plain") == []
    assert len(collected.events()) == 20


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("fault", ["503", "lost", "cut"])
def test_what_failed_is_sent_again_and_stored_once(line: Line, collected: Collected, wire: str, fault: str) -> None:
    line.faults = [fault]
    assert run(line, collected.key, "many", wire) == []
    assert sorted(row["properties"]["number"] for row in collected.events()) == list(range(20))
    assert line.requests(WIRES[wire])[:2] == [0 if fault == "cut" else 503, 200]


def test_a_batch_that_is_too_large_is_halved_until_it_fits(line: Line, collected: Collected) -> None:
    line.most = 12_000  # two events of some 4 kB each, zipped
    run(line, collected.key, "halves")
    assert sorted(row["properties"]["number"] for row in collected.events()) == list(range(8))
    statuses = line.requests("/batch")
    assert (statuses[0], statuses[-1]) == (413, 200)


def test_an_unknown_key_is_told_where_the_developer_reads_it(line: Line) -> None:
    errors = run(line, "bk_other", "many")
    assert line.requests("/batch") == [401]
    assert any("401" in json.dumps(error) for error in errors), errors
