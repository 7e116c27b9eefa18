"""Every file that the page runs is written in what MicroPython runs, and the check really finds what it does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from beknown_server import bundle, dialect

ROOT = Path(__file__).parents[2]
CORE = bundle.core(ROOT / "client")  # itself checks each file, with a message that names the line


@pytest.mark.parametrize("path", CORE)
def test_a_core_file_is_in_the_dialect(path: str) -> None:
    dialect.check(CORE[path], path)


@pytest.mark.parametrize(
    "source",
    [
        "import typing",
        "from dataclasses import dataclass",
        "import collections.abc",
        "from __future__ import annotations",
        "match x:\n    case 1: pass",
        "a = {**b}",
        "a = [*b]",
        "a = {*b}",
        "def f(a, /): pass",
        "class A(metaclass=B): pass",
        "class A:\n    def __init_subclass__(cls): pass",
        "'a'.removeprefix('b')",
        "'a'.zfill(3)",
        "re.fullmatch('a', 'b')",
        "json.dumps(a, sort_keys=True)",
        "zip(a, b, strict=True)",
        "def f():\n    import json",
    ],
)
def test_what_micropython_cannot_run_is_found_and_named(source: str) -> None:
    with pytest.raises(dialect.NotInDialect, match=r"^client/x\.py:\d+: MicroPython has no "):
        dialect.check(source, "client/x.py")


def test_what_only_the_type_checker_reads_is_neither_checked_nor_shipped() -> None:
    source = (
        '"""Text."""\n'
        "TYPE_CHECKING = False\n"
        "if TYPE_CHECKING:\n    from typing import Any\n"
        "x: 'int' = 1  # why\n"
        "y: 'int'\n"
        "class A:\n    'Text.'\n    z: 'int'\n"
        "def f(a: 'Any' = 2, *, b: 'int' = 3) -> 'Any':\n    'Text.'\n    return a + b\n"
    )
    dialect.check(source, "x.py")
    kept = dialect.strip(source)
    for gone in ("Text", "typing", "TYPE_CHECKING", "why", "int", "Any"):
        assert gone not in kept
    names: dict[str, object] = {}
    exec(kept, names)
    assert names["x"] == 1
    assert names["f"](1, b=5) == 6  # type: ignore[operator]
