"""One visit to a page, measured from outside: what crossed the line, when, and what the main thread went through."""

import statistics
from dataclasses import dataclass
from typing import Any

from chromium import Chromium, slowed
from line import SLOW_4G, UNTHROTTLED, Line, Speed

QUIET = 2.5  # seconds without a byte after which a visit counts as over
CALLS = 1000
TIMED = "timed"  # the event's name
BATCHING = 4.0  # seconds until posthog-js has sent what it queued (every 3)


@dataclass(frozen=True)
class Condition:
    """How fast the visitor's line is, and how many times slower than this machine's their processor."""

    name: str
    speed: Speed
    slowdown: float


CONDITIONS = (Condition("unthrottled", UNTHROTTLED, 1), Condition("slow", SLOW_4G, 4))


@dataclass(frozen=True)
class Variant:
    """One way to tag the page: ``script`` is the tag's file, ``port`` where the line leads to its server."""

    name: str
    tag: str = ""
    script: str = ""
    port: int = 0
    client: str = ""  # the client's name in the page


# What the page itself can tell. In milliseconds since the start of the navigation.
READING = """(() => {
  const script = performance.getEntriesByType("resource").find((entry) => entry.name.endsWith(SCRIPT));
  return {load: performance.timing.loadEventStart - performance.timing.navigationStart,
          script: SCRIPT && script ? script.responseEnd : null, longTasks};
})()"""

TIMED_CALLS = """(() => {
  if (!crossOriginIsolated) throw Error("the clock is too coarse: the page is not isolated");
  const took = [];
  for (let number = 0; number < COUNT; number++) {
    const start = performance.now();
    CLIENT.capture("EVENT", {number});
    took.push(performance.now() - start);
  }
  return took;
})()"""


async def visit(
    chromium: Chromium, line: Line, url: str, *, variant: Variant, condition: Condition
) -> dict[str, float]:
    """Give what a visit to ``url`` cost: bytes through the tag's port, milliseconds, long tasks.

    Ends when the tag's first event has arrived, the page has loaded and nothing crossed the line for ``QUIET``.
    """
    line.speed = condition.speed
    line.clear()
    with slowed(await chromium.renderers(), condition.slowdown):
        await chromium.in_page("Page.navigate", url=url)
        await line.settle(QUIET, awaiting=is_event if variant.tag else None)
    reading = await chromium.evaluate(READING.replace("SCRIPT", repr(variant.script)))
    return measures_of(line, reading, start=await navigation_start(chromium), variant=variant)


async def timed_calls(
    chromium: Chromium, line: Line, url: str, *, variant: Variant, condition: Condition
) -> dict[str, float]:
    """Give the microseconds that a call of ``capture()`` keeps the page's main thread, over ``CALLS`` in a row."""
    line.speed = UNTHROTTLED
    await chromium.in_page("Page.navigate", url=url)
    await line.settle(QUIET)
    expression = TIMED_CALLS.replace("COUNT", str(CALLS)).replace("CLIENT", variant.client).replace("EVENT", TIMED)
    with slowed(await chromium.renderers(), condition.slowdown):
        took = sorted(1000 * each for each in await chromium.evaluate(expression))
    line.clear()
    await line.settle(BATCHING)
    return {
        "median_us": statistics.median(took),
        "p99_us": took[len(took) * 99 // 100 - 1],
        "mean_us": statistics.fmean(took),
    }


def is_event(request: str) -> bool:
    """Tell whether a request carries events, or calls for the server's Python."""
    return request.startswith(("POST /e/", "POST /run", "POST /i/v0/e/"))


async def navigation_start(chromium: Chromium) -> float:
    """Give when the navigation began, in seconds of the line's clock."""
    await chromium.in_page("Performance.enable")
    metrics = (await chromium.in_page("Performance.getMetrics"))["metrics"]
    await chromium.in_page("Performance.disable")
    start: float = next(metric["value"] for metric in metrics if metric["name"] == "NavigationStart")
    return start


def measures_of(line: Line, reading: dict[str, Any], *, start: float, variant: Variant) -> dict[str, float]:
    """Give what a visit cost, from what crossed the line and what the page could tell."""
    ours = [crossing for crossing in line.log if crossing.port == variant.port]
    down = [crossing for crossing in ours if not crossing.upwards]
    loaded = start + reading["load"] / 1000
    measures: dict[str, float] = {
        "critical_bytes": sum(crossing.size for crossing in down if crossing.at <= loaded),
        "total_bytes": sum(crossing.size for crossing in down),
        "sent_bytes": sum(crossing.size for crossing in ours if crossing.upwards),
        "load_ms": reading["load"],
        "long_tasks": len(reading["longTasks"]),
        "blocking_ms": sum(duration - 50 for duration in reading["longTasks"]),
        "longest_ms": max(reading["longTasks"], default=0),
    }
    if variant.tag:
        event = 1000 * (next(crossing.at for crossing in ours if is_event(crossing.request)) - start)
        measures["event_ms"] = event
        measures["event_after_script_ms"] = event - reading["script"]
    return measures
