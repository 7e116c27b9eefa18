"""Arithmetic over series: ``A / B * 100``, one number per bucket, after counting.

Rules:
- Pure. Only + - * /, parentheses, numbers and the letters of the series; nothing is ever run.
- What has no answer (a division by zero, a missing number, one that is too large to be written) is None, not 0.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from math import isfinite
from string import ascii_uppercase

from .errors import Unusable

LETTERS = ascii_uppercase
MOST_CHARACTERS = 200

Number = float | int | None
_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def finite(number: Number) -> Number:
    """Give a number as JSON and its readers can have it: a whole one of 64 bits, a finite one, or None."""
    if isinstance(number, int) and abs(number) >= 2**63:
        number = float(number)
    return None if number is None or not isfinite(number) else number


def parsed(text: str, letters: str) -> Callable[[Mapping[str, Number]], Number]:
    """Give what computes a formula from the value of each letter. Raises Unusable if it is none."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body if len(text) <= MOST_CHARACTERS else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        tree = None
    if tree is None or not _is_formula(tree, letters):
        raise Unusable(
            "bad_formula",
            f"{text[:60]!r} is no formula.",
            fix=f"Use + - * / ( ), numbers and the letters of the series: {', '.join(letters)}.",
        )
    return lambda values: _value(tree, values)


def _is_formula(node: ast.expr, letters: str) -> bool:
    if isinstance(node, ast.BinOp):
        return type(node.op) in _OPERATORS and _is_formula(node.left, letters) and _is_formula(node.right, letters)
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.USub) and _is_formula(node.operand, letters)
    if isinstance(node, ast.Name):
        return len(node.id) == 1 and node.id in letters
    number = node.value if isinstance(node, ast.Constant) else None
    return isinstance(number, (int, float)) and not isinstance(number, bool) and abs(number) < 1e15


def _value(node: ast.expr, values: Mapping[str, Number]) -> Number:
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left, values), _value(node.right, values)
        if left is None or right is None or (isinstance(node.op, ast.Div) and right == 0):
            return None
        return finite(_OPERATORS[type(node.op)](left, right))
    if isinstance(node, ast.UnaryOp):
        value = _value(node.operand, values)
        return None if value is None else -value
    if isinstance(node, ast.Name):
        return values[node.id]
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) else None
