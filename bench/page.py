"""What a tag costs a page: the same page with nothing, with beknown and with posthog-js, measured in one run.

    python bench/page.py [--runs 7] [--quick] [--out bench/results]

Every run makes, for each tag in turn, a new browser profile and visits the page cold, then warm, then to time
``capture()``; first on a fast line and processor, then on slow ones. README.md beside this says what is measured.
"""

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path

from chromium import Chromium, fresh
from collector import collector
from host import Host
from line import Line
from report import markdown, summary
from visit import CONDITIONS, TIMED, Condition, Variant, timed_calls, visit

HERE = Path(__file__).parent
LONGEST = 300.0  # s; three visits of one profile over slow 4G take 60
POSTHOG = HERE.parent / "static/node_modules/posthog-js/dist/array.js"
# posthog-js as its documentation tells to load it, with everything off that is not capturing. Its own rate limit
# would refuse most of the thousand timed calls (100 at once); its robot filter would refuse a headless browser,
# and so would ours.
POSTHOG_TAG = """<script async crossorigin src="{origin}/static/array.js" onload='posthog.init("{key}", {{
  api_host: "{origin}", autocapture: false, disable_session_recording: true, disable_surveys: true,
  disable_web_experiments: true, capture_performance: false, capture_dead_clicks: false, capture_exceptions: false,
  enable_heatmaps: false, advanced_disable_flags: true, opt_out_useragent_filter: true,
  rate_limiting: {{events_per_second: 1e6, events_burst_limit: 1e6}}}})'></script>"""
BEKNOWN_TAG = '<script async src="{origin}/beknown.js" data-key="{key}" data-bots="count"{more}></script>'

Measures = dict[str, float]
Runs = dict[str, dict[str, list[Measures]]]  # "unthrottled cold" -> variant -> one per run


async def main() -> None:
    """Measure, print the tables, write them and the numbers behind them."""
    options = arguments()
    line, host = Line(), Host()
    host_port = await host.start()
    with collector() as server:
        variants = [
            Variant("nothing"),
            beknown_first_page(server.key, await line.forward(server.port)),
            beknown(server.key, await line.forward(server.port)),
            posthog(server.key, await line.forward(host_port)),
        ]
        host.add_shop({variant.name: variant.tag for variant in variants})
        host.add_posthog(options.posthog)
        shop = f"http://127.0.0.1:{await line.forward(host_port)}"
        runs = await measure(line, shop, variants, runs=options.runs, program=options.chromium)
        arrived = {"beknown": server.stored(TIMED), "posthog-js": host.events[TIMED]}
    result = summary(runs, chromium=version(options.chromium), arrived=arrived)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "page.json").write_text(json.dumps(result, indent=1) + "\n")
    (options.out / "page.md").write_text(markdown(result))
    print(markdown(result))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="What a tag costs a page.")
    parser.add_argument("--runs", type=int, default=7, help="runs of every variant, of which the medians are given")
    parser.add_argument("--quick", action="store_const", const=2, dest="runs", help="two runs, to see that it works")
    parser.add_argument(
        "--out", type=Path, default=HERE / "results", help="the folder to write page.json and page.md to"
    )
    parser.add_argument("--chromium", default=shutil.which("chromium") or "chromium", help="the browser's program")
    parser.add_argument("--posthog", type=Path, default=POSTHOG, help="posthog-js's dist/array.js")
    options = parser.parse_args()
    if not options.posthog.is_file():
        parser.error(f"there is no {options.posthog}: run `npm ci` in static/, which brings posthog-js")
    return options


def beknown(key: str, port: int) -> Variant:
    """Give the variant that is tagged as our README tells to."""
    tag = BEKNOWN_TAG.format(origin=f"http://127.0.0.1:{port}", key=key, more="")
    return Variant("beknown", tag, script="/beknown.js", port=port, client="beknown")


def beknown_first_page(key: str, port: int) -> Variant:
    """Give the variant whose calls wait for the page's own Python; they are not timed."""
    tag = BEKNOWN_TAG.format(origin=f"http://127.0.0.1:{port}", key=key, more=' data-first="page"')
    return Variant("beknown-first-page", tag, script="/beknown.js", port=port)


def posthog(key: str, port: int) -> Variant:
    """Give the variant that is tagged with posthog-js."""
    tag = POSTHOG_TAG.format(origin=f"http://127.0.0.1:{port}", key=key)
    return Variant("posthog-js", tag, script="/static/array.js", port=port, client="posthog")


async def measure(line: Line, shop: str, variants: list[Variant], *, runs: int, program: str) -> Runs:
    """Give every run's measures, the variants taking turns so that a busy minute of the machine hits all alike."""
    found: Runs = {}
    for condition in CONDITIONS:
        for run in range(runs):
            for variant in variants:
                print(f"{condition.name} {run + 1}/{runs} {variant.name}", file=sys.stderr)
                for state, measures in (await patiently(line, shop, variant, condition, program=program)).items():
                    found.setdefault(f"{condition.name} {state}", {}).setdefault(variant.name, []).append(measures)
    return found


async def patiently(
    line: Line, shop: str, variant: Variant, condition: Condition, *, program: str
) -> dict[str, Measures]:
    """Give one profile's measures; once more where a browser stopped answering, which headless ones do now and then."""
    try:
        async with asyncio.timeout(LONGEST):
            return await one_profile(line, shop, variant, condition, program=program)
    except (TimeoutError, EOFError) as failure:
        print(f"{condition.name} {variant.name}: {failure!r}, once more", file=sys.stderr)
    async with asyncio.timeout(LONGEST):
        return await one_profile(line, shop, variant, condition, program=program)


async def one_profile(
    line: Line, shop: str, variant: Variant, condition: Condition, *, program: str
) -> dict[str, Measures]:
    """Give the measures ``cold``, ``warm`` and (if there is a client) ``calls`` of one new profile."""
    found: dict[str, Measures] = {}
    async with fresh(program) as chromium:
        for state in ("cold", "warm"):
            await leave(chromium, line, shop)
            url = f"{shop}/{variant.name}"
            found[state] = await visit(chromium, line, url, variant=variant, condition=condition)
        if variant.client:
            await leave(chromium, line, shop)
            url = f"{shop}/{variant.name}/isolated"
            found["calls"] = await timed_calls(chromium, line, url, variant=variant, condition=condition)
    return found


async def leave(chromium: Chromium, line: Line, shop: str) -> None:
    """Go to an empty page of the same site and wait until the last page's farewells are delivered."""
    line.clear()
    await chromium.in_page("Page.navigate", url=f"{shop}/blank")
    await line.settle(0.5)


def version(program: str) -> str:
    """Give what the browser calls itself."""
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    asyncio.run(main())
