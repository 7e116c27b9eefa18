"""`beknown snippet --pyscript`: configurations that PyScript reads, and Python that runs."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

from beknown_server.assets import library_path


def test_it_prints_both_configurations_and_the_first_lines(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "beknown_server", "snippet", "--pyscript", "--url", "https://t.example.com"]
    environment = {**os.environ, "BEKNOWN_KEY": "bk_snippet", "BEKNOWN_DATABASE": f"sqlite:///{tmp_path}/x.db"}
    for step in ("migrate", "project"):
        more = ["create", "Site"] if step == "project" else []
        subprocess.run([*command[:3], step, *more], env=environment, check=True, capture_output=True)
    printed = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    wheel = f"https://t.example.com/{library_path()}"
    py, mpy = [json.loads(unescape(text)) for text in re.findall(r"config='([^']*)'", printed)]
    assert py == {"packages": [wheel]}
    assert mpy == {"files": {wheel: "./*"}}
    assert '<script src="https://t.example.com/bridge.js"></script>' in printed
    program = printed.partition("# main.py\n")[2]
    assert compile(program, "main.py", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    assert re.search(r'beknown\.init\("bk_\w+", api="https://t\.example\.com"\)', program)
    assert f'micropip.install("{wheel}")' in program
