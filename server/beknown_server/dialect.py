"""What MicroPython can run: checks a client file against it, and strips one to what it needs.

The rules are those of MicroPython 1.27's WebAssembly build, each tried on it. What fails there at import would be
found by the tests anyway; this names the line, and also finds what only fails when it is reached.

Rules:
- ``if TYPE_CHECKING:`` blocks are for the type checker: neither checked nor shipped.
- A file may import what is built into the runtime (``MODULES``) and its neighbours, at its top: the bundle leaves out
  every library that is not imported by then.
"""

import ast
from collections.abc import Iterator

# Built in, and needed so far: a longer list costs bytes, since what is imported must be kept.
MODULES = {"hashlib", "json", "math", "random", "re", "time"}

# PyScript's MicroPython is whole: what the library for pages needs beside those.
UNCUT = MODULES | {"asyncio", "functools", "inspect", "io", "sys"}

STATEMENTS: dict[type[ast.AST], str] = {
    ast.Match: "match",
    ast.TryStar: "except*",
    ast.Global: "global (a rule of the house, not of MicroPython)",
}
METHODS = set(
    "casefold isalnum isidentifier isprintable ljust removeprefix removesuffix rjust title zfill "  # str
    "fullmatch groupdict monotonic urandom".split()  # re, time, os
)
KEYWORDS = {"sort_keys", "ensure_ascii", "strict", "metaclass"}


class NotInDialect(Exception):
    """A client file that MicroPython cannot run; the text names file, line and reason."""


def check(source: str, name: str, *, uncut: bool = False) -> None:
    """Raise NotInDialect, with every place as ``file:line: reason``, unless MicroPython runs this file.

    ``uncut``: the whole of it, as PyScript brings it, and not only what the tag's worker loads.
    """
    found = [f"{name}:{line}: MicroPython has no {what}" for line, what in sorted(problems(source, uncut=uncut))]
    if found:
        raise NotInDialect("\n".join(found))


def problems(source: str, *, uncut: bool = False) -> Iterator[tuple[int, str]]:
    """Give line and reason of all that the card forbids."""
    modules = UNCUT if uncut else MODULES
    tree = _ForRuntime().visit(ast.parse(source))
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, f"module {item.name} here") for item in node.names if item.name not in modules)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module not in modules:
            yield node.lineno, f"module {node.module} here"
    for node in ast.walk(tree):
        if uncut and isinstance(node, ast.AsyncFunctionDef):
            continue
        what = STATEMENTS.get(type(node)) or _missing(node)
        if what:
            yield getattr(node, "lineno", 0), what
        if isinstance(node, ast.FunctionDef) and not uncut:
            inner = [part for part in ast.walk(node) if isinstance(part, ast.Import | ast.ImportFrom)]
            yield from ((part.lineno, "library left for an import inside a function") for part in inner)


def _missing(node: ast.AST) -> str:
    """Say what of this one node is missing, or nothing."""
    match node:
        case ast.Dict(keys=keys) if None in keys:
            return "{**a}; use dict | dict"
        case ast.List(elts=parts) | ast.Set(elts=parts) | ast.Tuple(elts=parts) if _starred(parts):
            return "[*a]; use list + list"
        case ast.arguments(posonlyargs=[_, *_]):
            return "positional-only parameters"
        case ast.FunctionDef(name="__init_subclass__"):
            return "__init_subclass__"
        case ast.ClassDef(keywords=[_, *_]):
            return "class keywords"
        case ast.Call(func=ast.Attribute(attr=name)) if name in METHODS:
            return f"{name}()"
        case ast.Call(keywords=keywords):
            return next((f"argument {one.arg}" for one in keywords if one.arg in KEYWORDS), "")
        case ast.ListComp(generators=loops) | ast.SetComp(generators=loops) | ast.DictComp(generators=loops):
            return "asynchronous comprehension" if any(loop.is_async for loop in loops) else ""
        case ast.AsyncFunctionDef():
            return "reason for asyncio: the core does no I/O"
    return ""


def _starred(parts: list[ast.expr]) -> bool:
    return any(isinstance(part, ast.Starred) for part in parts)


def strip(source: str) -> str:
    """Drop comments, docstrings, annotations and what only the type checker reads."""
    return ast.unparse(ast.fix_missing_locations(_ForRuntime().visit(ast.parse(source))))


class _ForRuntime(ast.NodeTransformer):
    """Takes out what has no effect when the file runs."""

    def visit_If(self, node: ast.If) -> ast.AST | None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return None
        return self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        target = node.targets[0]
        return None if isinstance(target, ast.Name) and target.id == "TYPE_CHECKING" else node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return None
        return ast.Assign(targets=[node.target], value=node.value, lineno=node.lineno)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self._with_body(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self._with_body(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._with_body(node)

    def visit_Module(self, node: ast.Module) -> ast.AST:
        self._drop_texts(node)
        self.generic_visit(node)
        return node

    def _with_body(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> ast.AST:
        self._drop_texts(node)
        self.generic_visit(node)
        node.body = node.body or [ast.Pass(lineno=node.lineno)]
        return node

    @staticmethod
    def _drop_texts(node: ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        node.body = [part for part in node.body if not _is_text(part)]


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
