"""The core's tests (tests/client) once more, on the interpreters that visitors have.

Each test function is one test here per runtime, so that a failure names the function, with that runtime's traceback:

    micropython   as PyScript ships it, from source
    bundle        what the browser gets: MicroPython cut to size, the core stripped and compiled
    pyodide       CPython in WebAssembly
"""

from __future__ import annotations

import ast
import functools
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from beknown_server import bundle

from ..client.test_conformance import CASES, named

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
PYODIDE = ROOT / "static/node_modules/pyodide"
SUITE = HERE / "suite.py"
CORE = bundle.core(ROOT / "client")
# The library for Python in a page is no part of the bundle: it runs on interpreters that are whole.
LIBRARY = [ROOT / f"tests/client/test_{name}.py" for name in ("page", "failure", "foreign")]
TESTS = [*bundle.tests_of(CORE), ROOT / "tests/client/test_conformance.py"]


def written(paths: list[Path]) -> list[tuple[str, str]]:
    return [
        (path.stem, node.name)
        for path in paths
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]


def every_test() -> list[tuple[str, str]]:
    return written(TESTS) + [("test_conformance", named(case["case"])) for case in CASES]


def run(runtime: str, place: Path, *files: Path) -> dict[str, Any]:
    """Run host.mjs and give what it printed."""
    assert shutil.which("node"), "Node is missing; `make test` brings it"
    command = ["node", HERE / "host.mjs", runtime, place, *files]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


@functools.cache
def answer(runtime: str) -> dict[str, Any]:
    """Run all of the core's tests on one runtime; the conformance cases lie beside them as a module."""
    with tempfile.TemporaryDirectory() as folder:
        for name, source in bundle.workload(CORE).items():
            if runtime == "bundle":
                (Path(folder) / name.replace(".py", ".mpy")).write_bytes(bundle.compiled(source, name))
            else:
                (Path(folder) / name).write_text(source)
        if runtime == "bundle":
            return run("micropython", built(), Path(folder))
        for path in LIBRARY:
            (Path(folder) / path.name).write_text(path.read_text())
        host, place = ("pyodide", PYODIDE) if runtime == "pyodide" else ("pyscript", bundle.MICROPYTHON.parent)
        return run(host, place, ROOT / "client", Path(folder))


def built() -> Path:
    manifest = json.loads((ROOT / "build/bundle/manifest.json").read_text())
    return ROOT / "build/bundle/v" / manifest["version"]


@pytest.mark.parametrize(("module", "name"), every_test())
@pytest.mark.parametrize("runtime", ["micropython", "bundle", "pyodide"])
def test_it_passes_there_too(runtime: str, module: str, name: str) -> None:
    tests = answer(runtime)["outcomes"][module]
    assert "" not in tests, f"{module}.py could not be imported on {runtime}:\n{tests['']}"
    if tests[name]:
        pytest.fail(f"{module}.{name} on {runtime}:\n{tests[name]}", pytrace=False)


@pytest.mark.parametrize(("module", "name"), written(LIBRARY))
@pytest.mark.parametrize("runtime", ["micropython", "pyodide"])
def test_the_library_passes_there_too(runtime: str, module: str, name: str) -> None:
    test_it_passes_there_too(runtime, module, name)


def test_the_bundle_needs_nothing_of_what_was_cut() -> None:
    assert answer("bundle")["cold"] == 0


def test_what_was_cut_is_fetched_when_it_is_called_and_works(tmp_path: Path) -> None:
    """Source needs the compiler, which no page does."""
    (tmp_path / "test_compiled.py").write_text(
        "def test_it():\n"
        "    assert eval('sorted({3, 1, 2})') == [1, 2, 3]\n"
        "    import math\n"
        "    assert abs(math.pow(2.5, 3.5) - 24.705294220065465) < 1e-9\n"
        "    assert '%.3f' % math.sin(1) == '0.841'\n"
    )
    said = run("micropython", built(), tmp_path, SUITE)
    assert said["cold"] == 1
    assert said["outcomes"] == {"test_compiled": {"test_it": ""}}


def test_a_failure_is_seen(tmp_path: Path) -> None:
    """A runner that cannot fail proves nothing."""
    (tmp_path / "test_wrong.py").write_text("def test_it():\n    assert 1 == 2\n")
    for runtime, place in (("micropython", bundle.MICROPYTHON.parent), ("pyodide", PYODIDE)):
        said = run(runtime, place, tmp_path, SUITE)
        assert "AssertionError" in said["outcomes"]["test_wrong"]["test_it"]
