"""Page visits left at random moments, in a real Chromium, against a collector behind a failing line: what is lost?

    python bench/soak_pages.py [--visits 1000] [--seed N] [--results FILE]

A visit is left by going on to the next page, by reloading, by closing the tab, or by a crash of its process, while
Python downloads, starts or runs; a tenth of them were offline for a while. Then the line is calm, one last page is
opened, and every capture() that returned must be stored exactly once, under the identity that its page had given. Ends
with 1 if it is not.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from collector import Collector, collector
from playwright.sync_api import BrowserContext, Error, Page, Playwright, sync_playwright
from unruly import Unruly

FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync""".split()
RESULTS = Path(__file__).parent / "results/soak_pages.json"
LONGEST_VISIT = 3.0  # seconds; half of them are over after a twentieth of that, while Python downloads or starts
OFFLINE = 0.1  # of the visits, for a while
WAYS = {"the next page": 60, "reload": 12, "closed tab": 20, "crash": 8}  # of 100
PATIENCE = 90.0  # seconds until the last page must have delivered everything
# What another tab left is adopted after half a minute: the last page believes that it has passed.
LATER = "const real = Date.now; Date.now = () => real() + 31000"
LEFT = "Object.keys(localStorage).filter((name) => name.includes('~')).length"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--visits", type=int, default=1000)
    options.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    options.add_argument("--gentle", action="store_true", help="visits last longer, and every page may have its worker")
    options.add_argument("--results", type=Path, default=RESULTS)
    chosen = options.parse_args()
    print(f"soak_pages: {chosen.visits} visits, seed {chosen.seed}", flush=True)
    with collector() as server, tempfile.TemporaryDirectory() as profile, sync_playwright() as playwright:
        unruly = Unruly(server.port, server.key, chosen.seed, forbids_workers=not chosen.gentle)
        found = soak(
            playwright, unruly, server, Path(profile), visits=chosen.visits, seed=chosen.seed, gentle=chosen.gentle
        )
        unruly.close()
    chosen.results.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps({name: value for name, value in found.items() if name != "examples"}, indent=2))
    for example in found["examples"]:
        print("  " + example)
    return 1 if found["lost"] or found["duplicated"] or found["misattributed"] or found["left_in_journal"] else 0


def soak(
    playwright: Playwright, unruly: Unruly, server: Collector, profile: Path, *, visits: int, seed: int, gentle: bool
) -> dict[str, Any]:
    """Make the visits, deliver what is left, and give what was found."""
    began, dice = time.monotonic(), random.Random(seed)
    context = playwright.chromium.launch_persistent_context(
        str(profile), executable_path=shutil.which("chromium"), args=FLAGS, headless=True
    )
    context.set_default_timeout(20_000)
    ways: Counter[str] = Counter()
    page = context.new_page()
    for visit in range(visits):
        way = dice.choices(list(WAYS), list(WAYS.values()))[0]
        ways[way] += 1
        page = leave(context, page, f"{unruly.site}/?{visit}", way, dice, haste=2 if gentle else 4)
        if sys.stdout.isatty() or visit % 100 == 99:
            print(f"\r{visit + 1}/{visits}", end="", flush=True)
    left = deliver(page, unruly, visits)
    return {  # the browser ends with Playwright: closing it in order would wait for what crashed
        "visits": visits,
        "seed": seed,
        "seconds": round(time.monotonic() - began),
        "left_by": dict(ways),
        "pages": unruly.pages,
        "left_before_python_was_up": unruly.pages - unruly.without_worker - len(unruly.up),
        "without_worker": unruly.without_worker,
        "requests": dict(unruly.fates),
        "left_in_journal": left,
        **compared(unruly, server.events("step")),
    }


def leave(context: BrowserContext, page: Page, url: str, way: str, dice: random.Random, *, haste: int) -> Page:
    """Visit a page and leave it at a random moment; give the page to go on with."""
    page.goto(url, wait_until="commit")
    page.wait_for_timeout(1000 * LONGEST_VISIT * dice.random() ** haste)
    if dice.random() < OFFLINE:
        with suppress(Error):  # "Target crashed": a page before, which is being taken down
            context.set_offline(True)
        page.wait_for_timeout(1000 * dice.random())
        context.set_offline(False)
    if way == "reload":
        with suppress(Error):  # "Not attached to an active page": another one answered
            page.reload(wait_until="commit")
        page.wait_for_timeout(500 * dice.random())
    elif way == "closed tab":
        page.close(
            run_before_unload=True
        )  # as a person does; Playwright may wait for ever for the end of the other way
        return context.new_page()
    elif way == "crash":
        gone: list[Page] = []
        page.on("crash", lambda crashed: gone.append(crashed))
        with suppress(Error):  # that is how it goes
            page.goto("chrome://crash", timeout=10_000)
        if not gone:  # on a busy machine it may come too late
            page.close(run_before_unload=True)
        return context.new_page()  # what crashed stays as it is: to close it may take for ever
    return page


def deliver(page: Page, unruly: Unruly, visit: int) -> int:
    """Open one last page on a calm line, and give how many calls are still in the journal when patience ends."""
    unruly.calm = True
    page.add_init_script(LATER)
    page.goto(f"{unruly.site}/?{visit}")
    page.wait_for_function("window.beknown")
    page.evaluate("beknown.ready")
    until = time.monotonic() + PATIENCE
    page.evaluate("localStorage.turn = Infinity")  # no more of them
    while (left := int(page.evaluate(LEFT))) and time.monotonic() < until:
        page.wait_for_timeout(200)
    return left


def compared(unruly: Unruly, events: list[dict[str, Any]]) -> dict[str, Any]:
    """Hold what is stored against what the pages asked for."""
    stored: dict[tuple[str, int], list[str]] = {}
    for event in events:
        place = (event["properties"]["visit"], event["properties"]["number"])
        stored.setdefault(place, []).append(event["distinct_id"])
    lost = sorted(set(unruly.ledger) - set(stored))
    repeated = sorted(place for place, ids in stored.items() if len(ids) > 1)
    wrong = sorted(place for place, user in unruly.ledger.items() if place in stored and not fits(user, stored[place]))
    examples = [f"lost: capture {number} of visit {visit}" for visit, number in lost]
    examples += [f"twice: capture {number} of visit {visit}" for visit, number in repeated]
    examples += [f"visit {at[0]}, capture {at[1]}: {unruly.ledger[at]!r} became {stored[at]}" for at in wrong]
    return {
        "captured": len(unruly.ledger),
        "stored": len(events),
        "lost": len(lost),
        "duplicated": len(repeated),
        "misattributed": len(wrong),
        "examples": examples[:20],
    }


def fits(user: str | None, ids: list[str]) -> bool:
    """Tell whether events are filed under the user that their page had named, or under nobody after its reset()."""
    return user is None or all(id == user if user else not id.startswith("user-") for id in ids)


if __name__ == "__main__":
    sys.exit(main())
