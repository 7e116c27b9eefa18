"""The library for Python in a page as a wheel: what micropip, PyScript and JupyterLite install.

Rules:
- Pure. The same sources make the same bytes.
- A wheel is a zip (Python packaging's "Binary distribution format"): the package, and a .dist-info folder beside it
  with METADATA, WHEEL and RECORD. Nothing is installed with it: it needs no other package.
- The files that people read in a notebook stay as they are; the core goes as the tag has it, stripped, which makes
  the wheel a third of its size. Folders come before what is in them, since PyScript unpacks for MicroPython one level
  at a time.
"""

import ast
import functools
import hashlib
import io
import zipfile
from base64 import urlsafe_b64encode
from pathlib import Path

from beknown.wire import VERSION

from . import dialect

NAME = f"beknown-{VERSION}-py3-none-any.whl"
READ = {"beknown/__init__.py", "beknown/hosts/library.py", "beknown/errors.py"}
EPOCH = (2020, 1, 1, 0, 0, 0)  # a zip has times; a fixed one keeps the bytes the same
METADATA = """Metadata-Version: 2.1
Name: beknown
Version: {version}
Summary: Product analytics for Python in the page: PyScript, Pyodide, JupyterLite
License: MIT
Requires-Python: >=3.11
"""
WHEEL = """Wheel-Version: 1.0
Generator: beknown
Root-Is-Purelib: true
Tag: py3-none-any
"""


def followed(folder: Path, entry: str, *, uncut: bool) -> dict[str, str]:
    """Find a module of client/, what it imports, and so on; map their paths to their source. Raises NotInDialect.

    ``uncut``: for the whole of MicroPython, not only the part that the tag's worker loads.
    """
    found: dict[str, str] = {}
    waiting = [entry]
    while waiting:
        path = waiting.pop()
        if path in found or not (folder / path).exists():
            continue
        found[path] = (folder / path).read_text()
        dialect.check(found[path], f"client/{path}", uncut=uncut)
        waiting += _imported(path, found[path])
    return found


def library(folder: Path) -> dict[str, str]:
    """Find the files of ``import beknown`` in a page."""
    found = followed(folder, "beknown/__init__.py", uncut=True)
    packages = {str(Path(path).parent / "__init__.py") for path in found}
    found |= {path: (folder / path).read_text() for path in packages}
    return {path: source if path in READ else dialect.strip(source) for path, source in found.items()}


def packed(files: dict[str, str]) -> bytes:
    """Make a zip, its entries in the order of folders."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(files, key=lambda path: (path.count("/"), path)):
            archive.writestr(zipfile.ZipInfo(path, EPOCH), files[path], zipfile.ZIP_DEFLATED)
    return content.getvalue()


def wheel(files: dict[str, str], version: str = VERSION) -> bytes:
    """Make a wheel of a package's files."""
    info = f"beknown-{version}.dist-info"
    files = files | {f"{info}/METADATA": METADATA.format(version=version), f"{info}/WHEEL": WHEEL}
    record = "".join(f"{path},{_digest(text)},{len(text.encode())}\n" for path, text in sorted(files.items()))
    return packed(files | {f"{info}/RECORD": f"{record}{info}/RECORD,,\n"})


@functools.lru_cache(maxsize=8)
def named(content: bytes, version: str) -> bytes:
    """Make of a wheel the same one under another version's name, which installers compare with what is inside."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = {path: archive.read(path).decode() for path in archive.namelist()}
    return wheel({path: text for path, text in files.items() if ".dist-info/" not in path}, version)


def _digest(text: str) -> str:
    return "sha256=" + urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def _imported(path: str, source: str) -> list[str]:
    """The neighbours that a file imports, as paths."""
    package = Path(path).parent
    names = []
    for node in ast.walk(ast.parse(dialect.strip(source))):
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = [package, *package.parents][node.level - 1]
            below = node.module.replace(".", "/") if node.module else ""
            names += [folder / below] if below else [folder / item.name for item in node.names]
    return [f"{name}.py" for name in names]
