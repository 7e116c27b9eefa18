"""What each home of Python costs a page: the tag on MicroPython and on Pyodide, and PyScript's four settings.

    python bench/hosts.py [--runs 5] [--quick] [--out bench/results]

The same page, line and browser as bench/page.py; every run visits each host's page in a new profile, cold, then warm,
then cold on a slow line and processor. Writes hosts.json and hosts.md; README.md beside this says what is measured.
"""

import argparse
import asyncio
import datetime
import json
import os
import shutil
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

from chromium import Chromium, fresh, slowed
from collector import collector
from host import Host, answer
from line import Line
from page import leave, version
from visit import CONDITIONS, QUIET, READING, Condition, Variant, is_event, measures_of, navigation_start

HERE = Path(__file__).parent
MANIFEST = HERE.parent / "build/bundle/manifest.json"
READY = "/ready"  # what a page asks its own server for as soon as its Python is up: one clock for all
LONGEST = 240.0  # s; Pyodide over slow 4G

TAG = """<script async src="{origin}/beknown.js" data-key="{key}" data-bots="count" data-runtime="{runtime}"
  onload='beknown.ready.then(() => fetch("/ready"))'></script>"""
# `crossorigin` and the files' CORS headers let the page be isolated, which PyScript's worker needs.
PYSCRIPT = """<script type="module" crossorigin src="{origin}/{core}"></script>
<script type="{kind}" {thread} config='{{"interpreter": "{origin}/{loader}", "files": {{"{origin}/{wheel}": "./*"}}}}'>
import beknown
from pyscript import window
beknown.init("{key}", api="{origin}", bots="count")
window.fetch("/ready")
</script>"""
TAGS = {"tag, MicroPython": "micropython", "tag, Pyodide": "pyodide"}
SETTINGS = {
    "PyScript mpy": ("mpy", ""),
    "PyScript mpy, worker": ("mpy", "worker"),
    "PyScript py": ("py", ""),
    "PyScript py, worker": ("py", "worker"),
}
ROWS = (
    ("total_bytes", "bytes", "{:,.0f}"),
    ("ready_ms", "Python ready, ms", "{:,.0f}"),
    ("event_ms", "first event at the server, ms", "{:,.0f}"),
    ("blocking_ms", "main thread blocked, ms", "{:,.0f}"),
    ("longest_ms", "longest task, ms", "{:,.0f}"),
)
KINDS = {
    "unthrottled cold": "First visit",
    "unthrottled warm": "Second visit",
    "slow cold": "First visit, 4x slower processor, slow 4G",
}

Runs = dict[str, dict[str, list[dict[str, float]]]]  # "unthrottled cold" -> host -> one per run


async def main() -> None:
    """Measure, print the tables, write them and the numbers behind them."""
    options = arguments()
    line, host = Line(), Host()
    host_port = await host.start()
    with collector() as server:
        port = await line.forward(server.port)
        variants = hosts(server.key, port)
        host.add_shop({variant.name: variant.tag for variant in variants})
        host.pages[READY] = answer(b"", "text/plain", headers="Cache-Control: no-store\r\n", compress=False)
        shop = f"http://127.0.0.1:{await line.forward(host_port)}"
        runs = await measure(line, shop, variants, runs=options.runs, program=options.chromium)
    medians = {
        kind: {
            name: {measure: statistics.median(one[measure] for one in all_of) for measure in all_of[0]}
            for name, all_of in found.items()
        }
        for kind, found in runs.items()
    }
    head = {"date": datetime.datetime.now(datetime.UTC).date().isoformat(), "chromium": version(options.chromium)}
    head |= {"processors": str(os.cpu_count()), "runs": str(options.runs)}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "hosts.json").write_text(json.dumps(head | {"medians": medians, "all": runs}, indent=1) + "\n")
    (options.out / "hosts.md").write_text(markdown(head, medians))
    print(markdown(head, medians))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="What each home of Python costs a page.")
    parser.add_argument("--runs", type=int, default=5, help="runs of every host, of which the medians are given")
    parser.add_argument("--quick", action="store_const", const=1, dest="runs", help="one run, to see that it works")
    parser.add_argument("--out", type=Path, default=HERE / "results", help="the folder for hosts.json and hosts.md")
    parser.add_argument("--chromium", default=shutil.which("chromium") or "chromium", help="the browser's program")
    return parser.parse_args()


def hosts(key: str, port: int) -> list[Variant]:
    """Give every host's way to tag the page; names are paths, so they are spelt without blanks."""
    origin = f"http://127.0.0.1:{port}"
    paths = {Path(asset["path"]).name: asset["path"] for asset in json.loads(MANIFEST.read_text())["assets"]}
    wheel = next(path for name, path in paths.items() if name.endswith(".whl"))
    loaders = {"mpy": paths["micropython.mjs"], "py": paths["pyodide.mjs"]}
    found = [
        Variant(path_of(name), TAG.format(origin=origin, key=key, runtime=runtime), script="/beknown.js", port=port)
        for name, runtime in TAGS.items()
    ]
    for name, (kind, thread) in SETTINGS.items():
        tag = PYSCRIPT.format(
            origin=origin, key=key, kind=kind, thread=thread, core=paths["core.js"], loader=loaders[kind], wheel=wheel
        )
        found.append(Variant(path_of(name), tag, script="/core.js", port=port))
    return found


def path_of(name: str) -> str:
    """Give a host's name as a path."""
    return name.replace(", ", "-").replace(" ", "-").lower()


async def measure(line: Line, shop: str, variants: list[Variant], *, runs: int, program: str) -> Runs:
    """Give every run's measures, the hosts taking turns so that a busy minute of the machine hits all alike."""
    found: Runs = {kind: {} for kind in KINDS}
    for run in range(runs):
        for condition in CONDITIONS:
            for variant in variants:
                print(f"{run + 1}/{runs} {condition.name} {variant.name}", file=sys.stderr)
                async with fresh(program) as chromium:
                    for state in ("cold", "warm"):
                        kind = f"{condition.name} {state}"
                        if kind in KINDS:
                            await leave(chromium, line, shop)
                            url = f"{shop}/{variant.name}/isolated"
                            measures = await visit(chromium, line, url, variant=variant, condition=condition)
                            found[kind].setdefault(variant.name, []).append(measures)
    return found


async def visit(
    chromium: Chromium, line: Line, url: str, *, variant: Variant, condition: Condition
) -> dict[str, float]:
    """Give what a visit cost until its Python was ready, its first event had arrived, and the line was quiet."""
    line.speed = condition.speed
    line.clear()
    with slowed(await chromium.renderers(), condition.slowdown):
        await chromium.in_page("Page.navigate", url=url)
        await line.settle(0, awaiting=is_ready, patience=LONGEST)
        await line.settle(QUIET, awaiting=is_event, patience=LONGEST)
    reading = await chromium.evaluate(READING.replace("SCRIPT", repr(variant.script)))
    start = await navigation_start(chromium)
    measures = measures_of(line, reading, start=start, variant=variant)
    measures["ready_ms"] = 1000 * (at_first(line, is_ready) - start)
    return measures


def is_ready(request: str) -> bool:
    """Tell whether a request is the page's word that its Python is up."""
    return request.startswith(f"GET {READY} ")


def at_first(line: Line, question: Callable[[str], bool]) -> float:
    """Give when the first such request reached its server."""
    return next(crossing.at for crossing in line.log if question(crossing.request))


def markdown(head: dict[str, str], medians: dict[str, dict[str, dict[str, float]]]) -> str:
    """Give the tables, a host a line."""
    lines = [
        "# What each home of Python costs a page",
        "",
        f"{head['date']}, {head['chromium']}, {head['processors']} processors; medians of {head['runs']} interleaved "
        "runs. `bench/README.md` says what each column is.",
    ]
    for kind, title in KINDS.items():
        lines += ["", f"## {title}", "", f"| | {' | '.join(name for _, name, _ in ROWS)} |"]
        lines.append("|---" + "|---:" * len(ROWS) + "|")
        for name in (*TAGS, *SETTINGS):
            cells = [form.format(medians[kind][path_of(name)][measure]) for measure, _, form in ROWS]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    asyncio.run(main())
