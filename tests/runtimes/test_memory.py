"""Ten thousand captures leave nothing behind: no proxy, no text, no entry in a table."""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path

import pytest
from beknown_server import bundle

from .test_runtimes import PYODIDE, built

MEMORY = Path(__file__).parent / "memory.mjs"
# Bytes that 10,000 captures may add: the interpreters' own caches. One byte per capture that stays would be 10,000.
BOUND = 8192


@pytest.mark.parametrize(("runtime", "place"), [("micropython", bundle.MICROPYTHON.parent), ("pyodide", PYODIDE)])
def test_ten_thousand_captures_leave_nothing_behind(runtime: str, place: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(built() / "core.zip") as core:
        core.extractall(tmp_path)
    done = subprocess.run(["node", MEMORY, runtime, place, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout)
    assert said["delivered"] == 11_000
    before, after = said["measured"]
    assert before > 10_000, "it measures something"
    assert after - before < BOUND
