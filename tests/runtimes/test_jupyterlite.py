"""The recipe of docs/python-in-the-page.md, in Pyodide without a page: a notebook's kernel is a worker."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

from beknown_server import assets, bundle

from .test_runtimes import PYODIDE

HERE = Path(__file__).parent
WHEEL = bundle.ROOT / "build/bundle" / assets.library_path()
DOCS = bundle.ROOT / "docs/python-in-the-page.md"


def test_the_recipe_imports_and_delivers() -> None:
    text = DOCS.read_text().partition("## A JupyterLite recipe")[2]
    found = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert found, "the docs have a recipe"
    installed, _, recipe = found[1].partition("import beknown\n")
    assert assets.library_path() in installed, "the recipe names this version's wheel"
    code = "import beknown\n" + recipe + "await beknown.flush()\nbeknown.get_distinct_id()\n"
    command = ["node", HERE / "jupyterlite.mjs", PYODIDE, WHEEL, code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["told"] == "user-4711"
    assert {each["url"] for each in said["posted"]} == {"https://t.example.com/e/"}
    events = [event for each in said["posted"] for event in each["body"]["batch"]]
    assert [event["event"] for event in events] == ["$identify", "notebook_opened"]
    assert events[1]["properties"]["name"] == "Sales 2026"


def test_the_wheel_is_one_that_pip_takes(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        tmp_path,
        WHEEL,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (info,) = importlib.metadata.distributions(path=[str(tmp_path)])
    assert info.requires is None
    assert all(file.locate().exists() for file in info.files or [])
    script = "import sys; import beknown; assert 'js' not in sys.modules; print(beknown.__file__)"
    where = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {script}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(tmp_path) in where.stdout


def test_the_wheel_is_the_same_bytes_each_time_and_has_no_server_in_it() -> None:
    from beknown_server import wheel

    files = wheel.library(bundle.ROOT / "client")
    assert wheel.wheel(files) == wheel.wheel(dict(reversed(files.items()))) == WHEEL.read_bytes()
    with zipfile.ZipFile(WHEEL) as archive:
        names = archive.namelist()
    assert "beknown/hosts/page.py" in names
    assert not [name for name in names if "backend" in name or "integrations" in name]
