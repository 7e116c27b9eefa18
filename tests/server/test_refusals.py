"""docs/posthog.md names every refusal of the event routes, with the status that it has, and no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from beknown_server import errors
from beknown_server.inflate import ENCODINGS

ROOT = Path(__file__).parents[2]
ROOMS = "admission body envelope inflate ingest ingest_v1 parts payload".split()
TABLE = (ROOT / "docs/posthog.md").read_text().partition("## Refusals")[2]


def raised() -> dict[str, int]:
    """Every code that these files make a refusal with, and its status."""
    found = {}
    for room in ROOMS:
        for node in ast.walk(ast.parse((ROOT / f"server/beknown_server/{room}.py").read_text())):
            kind = getattr(errors, node.func.id, None) if is_call(node) else None
            if isinstance(kind, type) and issubclass(kind, errors.Refusal):
                code = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
                codes = [code] if code else [f"bad_{encoding}" for encoding in ENCODINGS]
                found |= dict.fromkeys(codes, kind.status)
    return found


def is_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and bool(node.args)


def told() -> dict[str, int]:
    rows = re.findall(r"^\| (`.*?) \| ([\d ·]+) \|", TABLE, re.MULTILINE)
    return {code: int(status.split()[0]) for codes, status in rows for code in re.findall(r"`(\w+)`", codes)}


def test_each_refusal_is_told_with_its_status() -> None:
    assert told() == raised() | {"no_such_route": 404, "wrong_method": 405}
