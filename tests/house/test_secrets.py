"""Nothing in the repository names a machine, a package registry's host, or a secret."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Spelled so that this file does not find itself.
FORBIDDEN = {
    "a path of someone's machine": r"(?<![\w.$}])/(?!home/pyodide\b)(?:home|root|Users|work)/[a-z]",
    "a package registry's host": r"registry\.npm" r"js|py" r"pi\.org|files\.pythonhosted|deb\." r"debian\.org",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE " r"KEY-----",
    "a token": r"\bgh[pousr]_\w{30,}|\bnpm_\w{30,}|\bpy" r"pi-\w{30,}|\bAKIA[A-Z0-9]{16}\b",
}


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    return listed.stdout.split("\n")[:-1]


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_tracked_file_names(what: str) -> None:
    names = tracked()
    if not names:
        pytest.skip("not a git checkout")
    for name in names:
        path = ROOT / name
        if name == "tests/house/test_secrets.py" or not path.is_file():
            continue
        text = path.read_bytes().decode("utf-8", "ignore")
        found = re.search(FORBIDDEN[what], text)
        assert not found, f"{name}:{text[: found.start()].count(chr(10)) + 1} names {what}: {found[0]}"
