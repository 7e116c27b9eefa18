"""The runs' medians, as numbers and as tables."""

import datetime
import os
import statistics
from typing import Any

from visit import CALLS

Runs = dict[str, dict[str, list[dict[str, float]]]]

# measure, what it is called in the tables, how it is written
VISIT_ROWS = (
    ("critical_bytes", "bytes before the page's load event", "{:,.0f}"),
    ("total_bytes", "bytes in total", "{:,.0f}"),
    ("event_ms", "first event at the server, ms from navigation", "{:,.0f}"),
    ("event_after_script_ms", "first event at the server, ms from the script's arrival", "{:,.0f}"),
    ("load_ms", "the page's load event, ms from navigation", "{:,.0f}"),
    ("long_tasks", "tasks over 50 ms on the main thread", "{:,.0f}"),
    ("blocking_ms", "main thread blocked, ms over 50 of each", "{:,.0f}"),
    ("longest_ms", "longest of them, ms", "{:,.0f}"),
)
CALL_ROWS = (
    ("median_us", "`capture()`, median of 1,000, us", "{:,.0f}"),
    ("p99_us", "`capture()`, 99th percentile, us", "{:,.0f}"),
    ("mean_us", "`capture()`, mean, us", "{:,.0f}"),
)
TITLES = {
    "unthrottled cold": "First visit, unthrottled",
    "unthrottled warm": "Second visit, unthrottled",
    "slow cold": "First visit, 4x slower processor, slow 4G (1.6 Mbit/s, 150 ms)",
    "slow warm": "Second visit, 4x slower processor, slow 4G",
    "unthrottled calls": "A call of `capture()`, unthrottled",
    "slow calls": "A call of `capture()`, 4x slower processor",
}


def summary(runs: Runs, *, chromium: str, arrived: dict[str, int]) -> dict[str, Any]:
    """Give the medians per kind of visit and variant, with the runs that they are of."""
    medians = {
        kind: {
            variant: {name: statistics.median(one[name] for one in measured) for name in measured[0]}
            for variant, measured in variants.items()
        }
        for kind, variants in runs.items()
    }
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "chromium": chromium,
        "processors": os.cpu_count(),
        "runs": max(len(measured) for variants in runs.values() for measured in variants.values()),
        "timed_calls": CALLS * sum(len(runs[kind]["beknown"]) for kind in runs if kind.endswith("calls")),
        "timed_calls_arrived": arrived,
        "medians": medians,
        "all": runs,
    }


def markdown(result: dict[str, Any]) -> str:
    """Give the tables, each with the ratio of beknown to posthog-js."""
    lines = [
        "# What a tag costs a page",
        "",
        f"{result['date']}, {result['chromium']}, {result['processors']} processors; "
        f"medians of {result['runs']} interleaved runs. `bench/README.md` says what each row is.",
    ]
    for kind, title in TITLES.items():
        if medians := result["medians"].get(kind):
            lines += ["", f"## {title}", "", *_table(medians, CALL_ROWS if kind.endswith("calls") else VISIT_ROWS)]
    arrived = ", ".join(f"{count:,} of {variant}" for variant, count in result["timed_calls_arrived"].items())
    lines += ["", f"Of the {result['timed_calls']:,} timed calls of each, these reached a server: {arrived}."]
    return "\n".join(lines) + "\n"


def _table(medians: dict[str, dict[str, float]], rows: tuple[tuple[str, str, str], ...]) -> list[str]:
    variants = list(medians)
    lines = [f"| | {' | '.join(variants)} | ratio |", "|---" + "|---:" * (len(variants) + 1) + "|"]
    for name, title, form in rows:
        cells = [form.format(medians[variant][name]) if name in medians[variant] else "-" for variant in variants]
        lines.append(f"| {title} | {' | '.join(cells)} | {_ratio(medians, name)} |")
    return lines


def _ratio(medians: dict[str, dict[str, float]], name: str) -> str:
    ours, theirs = (medians.get(variant, {}).get(name) for variant in ("beknown", "posthog-js"))
    return f"{ours / theirs:.2f}" if ours is not None and theirs else "-"
