"""The core's tests (tests/client) once more, on the interpreters that visitors have.

Each test function is one test here per runtime, so that a failure names the function, with that runtime's traceback.
"""

import ast
import functools
import json
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ROOT / "static/node_modules"
TESTS = ROOT / "tests/client"
MICROPYTHON = PACKAGES / "@micropython/micropython-webassembly-pyscript"


def every_test() -> list[tuple[str, str]]:
    found = []
    for path in sorted(TESTS.glob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                found.append((path.stem, node.name))
    return found


@functools.cache
def outcomes(runtime: str) -> dict[str, dict[str, str]]:
    """Run all tests of tests/client on one runtime; map module and test to "" or a traceback."""
    node = shutil.which("node")
    assert node, "Node is missing; `make test` brings it"
    here = ROOT / "tests/runtimes"
    arguments = {
        "micropython": ["micropython", MICROPYTHON, ROOT / "client", TESTS, here],
        "pyodide": ["pyodide", PACKAGES / "pyodide", ROOT / "client", TESTS, here],
    }[runtime]
    command = [node, here / "host.mjs", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, dict[str, str]] = json.loads(done.stdout.splitlines()[-1])
    return answer


@pytest.mark.parametrize(("module", "name"), every_test())
@pytest.mark.parametrize("runtime", ["micropython", "pyodide"])
def test_it_passes_there_too(runtime: str, module: str, name: str) -> None:
    tests = outcomes(runtime)[module]
    assert "" not in tests, f"{module}.py could not be imported on {runtime}:\n{tests['']}"
    if tests[name]:
        pytest.fail(f"{module}.{name} on {runtime}:\n{tests[name]}", pytrace=False)


def test_a_failure_is_seen(tmp_path: Path) -> None:
    """A runner that cannot fail proves nothing."""
    (tmp_path / "test_wrong.py").write_text("def test_it():\n    assert 1 == 2\n")
    here = ROOT / "tests/runtimes"
    command = ["node", here / "host.mjs", "micropython", MICROPYTHON, tmp_path, here]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "AssertionError" in json.loads(done.stdout)["test_wrong"]["test_it"]
