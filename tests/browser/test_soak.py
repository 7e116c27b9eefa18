"""A sample of `make soak`: page visits left at random moments against a line that fails. Nothing is lost, or twice."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[2] / "bench/soak_pages.py"


@pytest.mark.timeout(240)
def test_twenty_visits_left_at_random_moments_lose_nothing(tmp_path: Path) -> None:
    results = tmp_path / "soak.json"
    done = subprocess.run(
        [sys.executable, SOAK, "--visits", "20", "--gentle", "--results", results], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr  # names the seed to run again
    found = json.loads(results.read_text())
    assert found["captured"] > 20
    assert (found["lost"], found["duplicated"], found["misattributed"]) == (0, 0, 0)
    assert sum(found["requests"].values()) > found["requests"]["passed"]
