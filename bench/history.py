"""Sixty days of a made-up site, put straight into a store's tables (bench/ingest is about the way through HTTP).

1.3 million ids, of which 300,000 were merged into another's person: a million persons, few of them busy and most of
them rare; every fifth id has said its plan. The same number gives the same history.

An event's properties are some 1,000 characters as a browser sends them, most of them its own (ids, addresses, times,
prices): what lies in columns cannot do with one copy of them. ``constant``: 130 characters, the same for every event.
"""

from __future__ import annotations

import json
import random
import sqlite3
import struct
from datetime import UTC, datetime
from pathlib import Path

from beknown_server.store import Event, Project, Store, open_store

DAYS = 60
DAY = 86_400_000
START = round(datetime(2026, 9, 1, tzinfo=UTC).timestamp() * 1000)
IDS, MERGED = 1_300_000, 300_000
NAMES = ["view"] * 12 + ["add"] * 4 + ["buy"] + ["click"] * 3
PLANS = ["free"] * 6 + ["pro"] * 3 + ["team"]
PAGE = 100_000
AGENTS = [
    f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36"
    for system in ("Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7", "X11; Linux x86_64")
    for version in range(120, 140)
]
CONSTANT = json.dumps(
    {
        "$current_url": "https://example.com/pricing",
        "$pathname": "/pricing",
        "plan": "pro",
        "$browser_language": "en",
        "$viewport_width": 1280,
        "$lib": "beknown",
    }
)


def path_of(folder: Path, events: int, properties: str) -> Path:
    """Give where the store of so many events lies."""
    return folder / f"{events}-{properties}.db"


def store_of(folder: Path, events: int, properties: str) -> tuple[Store, Project]:
    """Give a store with so many events, filled unless the folder has it from an earlier run.

    ``properties``: varied or constant.
    """
    path = path_of(folder, events, properties)
    is_new = not path.exists()
    store = open_store(f"sqlite:///{path}")
    store.migrate()  # a kept one may be from before the last
    if not is_new:
        return store, store.projects()[0]
    project = store.create_project("Bench", "bk_bench", "bks_bench", START)
    # One real event makes the store's own rows; the mass goes in by the same statements, a page to a transaction.
    store.append(project.id, [Event("01900000-0000-7000-8000-000000000000", "view", "first", START, {})], START)
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute("pragma synchronous = off")
    raw.execute("pragma cache_size = -500000")
    dice = random.Random(7)
    first = _fill_ids(raw, project.id, dice)
    _fill_events(raw, project.id, first, events, dice, varied=properties == "varied")
    raw.close()
    return store, project


def _fill_ids(raw: sqlite3.Connection, project_id: int, dice: random.Random) -> int:
    """Make the ids and give the number of the first."""
    raw.execute("begin")
    raw.executemany(
        "insert into distinct_id (project_id, name, uuid, first_seen, last_seen, event_count, personal) "
        "values (?, ?, ?, ?, ?, 10, 1)",
        ((project_id, f"id-{number:07d}", struct.pack(">QQ", 1, number), START, START) for number in range(IDS)),
    )
    first = int(raw.execute("select min(id) from distinct_id where name like 'id-%'").fetchone()[0])
    stays = [True] * IDS
    merged = dice.sample(range(1, IDS), MERGED)
    for number in merged:
        stays[number] = False
    persons = [number for number in range(IDS) if stays[number]]
    raw.execute("create temp table m (id integer primary key, person integer)")
    raw.executemany("insert into m values (?, ?)", ((first + one, first + dice.choice(persons)) for one in merged))
    raw.execute("update distinct_id set person = (select person from m where m.id = distinct_id.id) "
                "where id in (select id from m)")  # fmt: skip
    raw.executemany(
        "insert into property (distinct_id, key, kind, value, at, uuid) values (?, 'plan', 'set', ?, ?, ?)",
        ((first + n, json.dumps(dice.choice(PLANS)), START, struct.pack(">QQ", 2, n)) for n in range(0, IDS, 5)),
    )
    raw.execute("commit")
    return first


def _properties(number: int, who: int, at: int, dice: random.Random) -> str:
    """Give what a browser sends with an event."""
    page, visit = f"/products/{dice.randrange(5000)}", f"{who:08x}-{at // DAY:04x}-7000-8000"
    return json.dumps(
        {
            "$current_url": f"https://shop.example.com{page}?utm_campaign=c{dice.randrange(40)}&click={dice.getrandbits(64):x}",
            "$pathname": page,
            "$host": "shop.example.com",
            "$title": f"Product {page[10:]} of our shop: what it is, what it costs, who bought it",
            "$referrer": f"https://search.example/find?q={dice.getrandbits(40):x}",
            "$referring_domain": "search.example",
            "$raw_user_agent": AGENTS[who % len(AGENTS)],
            "$browser": "Chrome",
            "$browser_version": 120 + who % 20,
            "$device_type": "Desktop",
            "$browser_language": ("en", "de", "fr", "es")[who % 4],
            "$timezone": "Europe/Berlin",
            "$screen_width": 1280 + who % 7 * 80,
            "$screen_height": 800 + who % 5 * 60,
            "$viewport_width": 1200 + dice.randrange(80),
            "$viewport_height": 700 + dice.randrange(60),
            "$device_id": f"{who:08x}-0000-7000-8000-{who:012x}",
            "$session_id": f"{visit}-000000000001",
            "$window_id": f"{visit}-000000000002",
            "$pageview_id": f"{visit}-{number:012x}",
            "$sequence": number,
            "plan": dice.choice(PLANS),
            "price": dice.randrange(100, 100_000) / 100,
            "$lib": "beknown",
        }
    )


def _fill_events(
    raw: sqlite3.Connection, project_id: int, first: int, events: int, dice: random.Random, *, varied: bool
) -> None:
    """Make the events: evenly over the days, an id's share of them by a power law."""
    for page in range(0, events, PAGE):
        rows = []
        for number in range(page, min(page + PAGE, events)):
            at = START + number * DAYS * DAY // events
            who = first + min(int(IDS * dice.random() ** 1.6), IDS - 1)
            uuid = struct.pack(">QQ", at, number)
            more = _properties(number, who, at, dice) if varied else CONSTANT
            rows.append((project_id, uuid, dice.choice(NAMES), who, at, at, f"s{who}-{at // DAY}", more))
        raw.execute("begin")
        raw.executemany(
            "insert into event (project_id, uuid, event, distinct_id, timestamp, received, session_id, properties) "
            "values (?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
        raw.execute("commit")
        print(f"\rfilling the store: {(page + PAGE) / events:.0%}", end="", flush=True)
    print()
