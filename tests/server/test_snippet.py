"""`beknown snippet`: the line that takes early calls, configurations that PyScript reads, and Python that runs."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from html import unescape
from pathlib import Path

import pytest
from beknown_server.assets import library_path
from beknown_server.snippet import INLINE


@pytest.fixture
def snippet(tmp_path: Path) -> Callable[..., str]:
    """Print it for a new project."""

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "beknown_server", *arguments]
        environment = {**os.environ, "BEKNOWN_KEY": "bk_snippet", "BEKNOWN_DATABASE": f"sqlite:///{tmp_path}/x.db"}
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    run("migrate")
    run("project", "create", "Site")
    return partial(run, "snippet", "--url", "https://t.example.com")


def test_the_line_for_early_calls_stands_before_the_tag_and_only_if_it_is_asked_for(
    snippet: Callable[..., str],
) -> None:
    (tag,) = snippet().splitlines()
    assert re.match(r'<script async src="https://t.example.com/beknown.js" data-key="bk_\w+"', tag)
    assert snippet("--inline").splitlines() == [INLINE, tag]  # tests/browser run this very line


def test_it_prints_both_configurations_and_the_first_lines(snippet: Callable[..., str]) -> None:
    printed = snippet("--pyscript")
    wheel = f"https://t.example.com/{library_path()}"
    py, mpy = [json.loads(unescape(text)) for text in re.findall(r"config='([^']*)'", printed)]
    assert py == {"packages": [wheel]}
    assert mpy == {"files": {wheel: "./*"}}
    assert '<script src="https://t.example.com/bridge.js"></script>' in printed
    program = printed.partition("# main.py\n")[2]
    assert compile(program, "main.py", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    assert re.search(r'beknown\.init\("bk_\w+", api="https://t\.example\.com"\)', program)
    assert f'micropip.install("{wheel}")' in program
