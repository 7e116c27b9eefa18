"""The SQL of each question is a named file: every file is used, every one asked for exists, none is in Python."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from beknown_server import asked

SERVER = Path(asked.__file__).parent
FILES = {path.stem for path in (SERVER / "questions").iterdir()}
TREES = {path.stem: ast.parse(path.read_text()) for path in SERVER.glob("*.py")}
PREFIXES = {"_ask": "report."}  # what a caller puts before the names that it is given


def names_asked_for(tree: ast.Module) -> Iterator[str]:
    """Give the names in the first argument of each ask and filled; of a variable, all that it may be."""
    variables = {
        node.targets[0].id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    for node in ast.walk(tree):
        called = getattr(node.func, "attr", getattr(node.func, "id", "")) if isinstance(node, ast.Call) else ""
        if called in ("ask", "_ask", "filled") and isinstance(node, ast.Call):
            argument = node.args[0]
            argument = variables.get(argument.id, argument) if isinstance(argument, ast.Name) else argument
            either = [argument.body, argument.orelse] if isinstance(argument, ast.IfExp) else [argument]
            names = [one.value for one in either if isinstance(one, ast.Constant)]
            yield from (PREFIXES.get(called, "") + str(name) for name in names)


def test_every_question_is_asked_and_every_one_asked_exists() -> None:
    assert {name for tree in TREES.values() for name in names_asked_for(tree)} == FILES


@pytest.mark.parametrize("module", [name for name, tree in TREES.items() if any(names_asked_for(tree))])
def test_nobody_who_asks_has_a_select_of_their_own(module: str) -> None:
    texts = [str(node.value) for node in ast.walk(TREES[module]) if isinstance(node, ast.Constant)]
    assert [text for text in texts if re.search(r"\bselect\b", text)] == []
