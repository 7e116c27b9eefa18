"""MicroPython's WebAssembly, cut to what a page needs.

The interpreter that PyScript ships holds a compiler, a REPL, forty library modules and much else that a page's worker
never reaches: 165 kB compressed. Bytes decide when the first event leaves on a slow line, so the file is cut in two:

    micropython.wasm        what the core's own tests ever call or read
    micropython.cold.wasm   everything, for the day a page strays beyond that

Rules:
- Nothing is lost. A function that was left out is a call through the table in its place; the first such call makes
  the loader fetch the cold module, which shares memory, table and stack, fills the table, and puts back the data that
  was left out. (An import for each would cost 40 ms: Chromium compiles a way to JavaScript for every signature.)
- What is left out is measured, not guessed: profile.mjs runs tests/client on an instrumented build.
- Data goes only in large pieces that no test has read and that no remaining function names: the library modules
  frozen into the runtime (dialect.py sees to it that the core imports none but those the tests import), the text of
  Emscripten's JavaScript, and tables of functions that went.
- All cuts are made on text: wasm-dis writes one top-level form per function.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

# What every browser since 2021 runs, and what the runtime was built with; wasm-opt may use no more.
FEATURES = [
    "--enable-bulk-memory",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
]
# What static/micropython.js calls.
EXPORTS = set(
    "__indirect_function_table __wasm_call_ctors _emscripten_stack_restore emscripten_stack_get_current "
    "emscripten_stack_init free malloc memory mp_js_do_import mp_js_init proxy_c_init proxy_c_to_js_call "
    "proxy_c_to_js_lookup_attr setThrew".split()
)
# Smaller unread pieces are error texts and type tables: a page may need one some day without calling anything new.
LARGE = 2048
# How far from an address that a function names its table may go on: C's largest, pow's, has 4.2 kB.
REACH = 5120

FORM = re.compile(r"^ \(func .*?^ \)$|^ \([^\n]*\)$", re.DOTALL | re.MULTILINE)
EXPORT = re.compile(r' \(export "([^"]*)"')
FUNCTION = re.compile(r" \(func \$(\S+)((?: \((?:type|param|result)[^)]*\))*)")
DATA = re.compile(r' \(data \S+ \(i32\.const (\d+)\) "(.*)"\)$')
# A global that both halves share, such as the stack pointer; the constants among them need not be.
SHARED = re.compile(r" \(global (\$\S+) (\(mut i32\)) ")
TABLE = re.compile(r" \(table \S+ (\d+) \d+ ")
ADDRESS = re.compile(r"(?:i32\.const |offset=)(\d+)")
ESCAPE = re.compile(r"\\([0-9a-f]{2}|.)|([^\\]+)")
ESCAPES = {"t": b"\t", "n": b"\n", "r": b"\r", '"': b'"', "'": b"'", "\\": b"\\"}

Range = tuple[int, int]


class ToolFailed(Exception):
    """A tool of the build went wrong; the text is what it said."""


class Tools:
    """Binaryen's commands, from npm's folder of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def take_apart(self, path: Path) -> list[str]:
        """Give a binary's top-level forms as text."""
        return FORM.findall(self._run("wasm-dis", path, "-o", "-"))

    def assemble(self, forms: Iterable[str], path: Path, *options: str) -> None:
        """Write forms as a binary, with wasm-opt's `options` on the way."""
        order = {"(type": 0, "(import": 1}  # as the text format wants it
        forms = sorted(forms, key=lambda form: order.get(form.split(maxsplit=1)[0], 2))
        source = path.with_suffix(".wat")
        source.write_text("(module\n" + "\n".join(forms) + "\n)\n")
        self._run("wasm-opt", source, *options, "-o", path)

    def _run(self, name: str, *arguments: str | Path) -> str:
        return said(self.folder / name, *FEATURES, *arguments)


def said(*command: str | Path, given: bytes | None = None) -> str:
    """Run a tool and give what it printed; raises ToolFailed with what it complained of."""
    # Node may be the one that `make` put beside Python.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(command, input=given, capture_output=True, check=False, env={**os.environ, "PATH": path})
    if done.returncode:
        raise ToolFailed(f"{Path(command[0]).name} failed:\n{done.stderr.decode()[-3000:]}")
    return done.stdout.decode()


def slim(tools: Tools, source: Path, target: Path) -> None:
    """Keep what the loader can reach, as small as wasm-opt makes it."""
    forms = [form for form in tools.take_apart(source) if not (match := EXPORT.match(form)) or match[1] in EXPORTS]
    tools.assemble(forms, target, "-Oz", "--converge")


def instrument(tools: Tools, source: Path, target: Path) -> None:
    """Have each function say its number, and each load its address."""
    forms = [' (import "env" "hit" (func $hit (param i32)))']
    for form in tools.take_apart(source):
        if match := FUNCTION.match(form):
            lines = form.split("\n")
            first = next(i for i, line in enumerate(lines) if i and not line.startswith("  (local "))
            lines.insert(first, f"  (call $hit (i32.const {match[1]}))")
            form = "\n".join(lines)
        forms.append(form)
    tools.assemble(forms, target, "--instrument-memory")


def split(tools: Tools, source: Path, hot: Path, cold: Path, *, called: set[int], read: Sequence[Range]) -> None:
    """Write the part of `source` that pages load, given the functions and data in use, and the part in reserve."""
    forms = tools.take_apart(source)
    functions = {match[1]: form for form in forms if (match := FUNCTION.match(form))}
    left_out = [name for name in functions if int(name) not in called]
    image = _image(forms)
    unneeded = _unneeded(image, read, "".join(functions[str(name)] for name in called))
    rest = [form for form in forms if not DATA.match(form)]
    trim = ["--strip-debug", "--strip-producers"]
    tools.assemble(
        [*_hot(rest, left_out), *_segments(image, _between(unneeded, len(image)))],
        hot,
        *["--remove-unused-module-elements", "-Oz", "--converge", *trim],
    )
    tools.assemble([*_cold(rest, left_out), *_segments(image, unneeded)], cold, *trim)


def with_files(wasm: bytes, files: dict[str, bytes]) -> bytes:
    """Add files as custom sections named by their paths; an empty one stands for a folder."""
    for path, content in sorted(files.items()):
        name = path.encode()
        body = _number(len(name)) + name + content
        wasm += b"\0" + _number(len(body)) + body
    return wasm


def _hot(forms: Iterable[str], left_out: Sequence[str]) -> list[str]:
    """In place of each function left out, a call through a place in the table that the cold module will fill."""
    places = _places(forms, left_out)
    made = [' (import "env" "need_rest" (func $need_rest))']
    for form in forms:
        match = FUNCTION.match(form)
        if match and match[1] in places:
            given = " ".join(f"(local.get {name})" for name in re.findall(r"\(param (\S+) ", match[2]))
            signature = re.sub(r"\(param \S+ ", "(param ", match[2])
            call = f"(call_indirect{signature} {given} (i32.const {places[match[1]]}))"
            form = f" (func ${match[1]}{match[2]} (call $need_rest) {call})"
        if match := SHARED.match(form):
            made.append(f' (export "{match[1]}" (global {match[1]}))')
        made.append(_longer(form, len(left_out)))
    return made


def _cold(forms: Iterable[str], left_out: Sequence[str]) -> list[str]:
    """Every function, on the hot module's memory, table and globals."""
    first = min(_places(forms, left_out).values())
    made = [f" (elem (i32.const {first}) {' '.join('$' + name for name in left_out)})"]
    shared = {"(memory": "memory", "(table": "__indirect_function_table"}
    for form in forms:
        kind = form.split(maxsplit=1)[0]
        if kind in shared:
            form = f' (import "hot" "{shared[kind]}"{_longer(form, len(left_out))})'
        elif match := SHARED.match(form):
            form = f' (import "hot" "{match[1]}" (global {match[1]} {match[2]}))'
        if kind not in ("(elem", "(export"):
            made.append(form)
    return made


def _places(forms: Iterable[str], left_out: Sequence[str]) -> dict[str, int]:
    """Where in the table each function left out will stand: behind all that stand there already."""
    size = next(int(match[1]) for match in map(TABLE.match, forms) if match)
    return {name: size + place for place, name in enumerate(left_out)}


def _longer(form: str, more: int) -> str:
    """The table's form with room for more; any other form as it is."""
    return TABLE.sub(
        lambda match: f" (table {match[0].split()[1]} {int(match[1]) + more} {int(match[1]) + more} ", form
    )


def _unneeded(image: bytes, read: Iterable[Range], code: str) -> list[Range]:
    """Find the large pieces that no test has read and that `code` cannot come across."""
    needed = bytearray(len(image))
    named = [(address - 64, address + REACH) for address in map(int, set(ADDRESS.findall(code)))]
    for start, stop in [*read, *named]:
        start, stop = (min(max(at, 0), len(image)) for at in (start, stop))
        needed[start:stop] = b"\1" * (stop - start)
    return [match.span() for match in re.finditer(rb"\0{%d,}" % LARGE, needed)]


def _between(ranges: Iterable[Range], end: int) -> list[Range]:
    """What is left of 0 to `end` without some ranges."""
    edges = [0, *(edge for part in ranges for edge in part), end]
    return list(zip(edges[::2], edges[1::2], strict=True))


def _image(forms: Iterable[str]) -> bytes:
    """Memory as the data segments fill it."""
    image = bytearray()
    for match in filter(None, map(DATA.match, forms)):
        at, content = int(match[1]), _bytes(match[2])
        image.extend(bytes(max(at + len(content) - len(image), 0)))
        image[at : at + len(content)] = content
    return bytes(image)


def _segments(image: bytes, ranges: Iterable[Range]) -> list[str]:
    """Data forms for some ranges of memory; wasm-opt leaves out what is zero anyway."""
    texts = {part: "".join(f"\\{byte:02x}" for byte in image[slice(*part)]) for part in ranges}
    return [f' (data $at{start} (i32.const {start}) "{text}")' for (start, _), text in texts.items()]


def _bytes(text: str) -> bytes:
    """Read a string of the text format."""
    return b"".join(
        plain.encode() if plain else ESCAPES.get(escape) or bytes.fromhex(escape)
        for escape, plain in ESCAPE.findall(text)
    )


def _number(value: int) -> bytes:
    """LEB128, as WebAssembly writes sizes."""
    low, rest = value & 127, value >> 7
    return bytes([low | 128]) + _number(rest) if rest else bytes([low])
