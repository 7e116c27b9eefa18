"""The bundle answers as CPython does, whatever the page passes: the same random calls through both, compared.

The runtime is cut by what the tests call and read (runtime.py). If a cut had gone wrong somewhere, some value would
come out different here: text of every script, numbers of every size, odd ids, deep bags, damaged stores.
"""

from __future__ import annotations

import itertools
import json
import random
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from beknown import ids, values
from beknown.hosts import worker

from .test_runtimes import built

HERE = Path(__file__).parent
START = 1795473649157
STEP = 700  # ms of the clock for each message, here and in worker.mjs
CALLS = (
    "capture capture capture identify identify reset alias group register register_once register_for_session "
    "unregister set_person_properties unset_person_properties pageview pageleave nonsense"
).split()
OURS = {"pageview": ["pushState", "https://a.example/before"], "pageleave": []}  # the stub's calls, not the page's
TEXTS = [
    "plan",
    "ada@example.com",
    "null",
    "",
    " x ",
    "é",
    "日本語",
    "😀",
    "a\nb",
    '"',
    "\\",
    "\u2028",
    "[object Object]",
    "cut \ud83d",
    "\ude00",
    "\ud83d\ude01",  # as CPython's escapes come to MicroPython
]


def text(dice: random.Random) -> str:
    if dice.random() < 0.6:
        return dice.choice(TEXTS) + (str(dice.randrange(99)) if dice.random() < 0.5 else "")
    points = [dice.choice([dice.randrange(32, 127), dice.randrange(160, 0xD7FF), dice.randrange(0x10000, 0x10FFFF)])]
    return "".join(chr(point) for point in points * dice.randrange(1, 9))


def number(dice: random.Random) -> float:
    whole = dice.choice([0, 1, -1, 2**31 - 1, 2**31, -(2**31) - 1, 2**53, 10**18, dice.randrange(-(10**9), 10**9)])
    return dice.choice([whole, dice.random(), dice.uniform(-1e6, 1e6), dice.randrange(1, 10**6) / 64, 0.5, -2.5])


def value(dice: random.Random, depth: int = 3) -> Any:
    kind = dice.randrange(9 if depth else 5)
    if kind < 2:
        return text(dice)
    if kind < 4:
        return number(dice)
    if kind == 4:
        return dice.choice([None, True, False])
    if kind < 7:
        return {text(dice): value(dice, depth - 1) for _ in range(dice.randrange(8))}
    return [value(dice, depth - 1) for _ in range(dice.randrange(8))]


def stringified(value: Any) -> str:
    """Give what JSON.stringify gives: surrogates are escaped, all else is not."""
    return re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", json.dumps(value, ensure_ascii=False))


def call(dice: random.Random, at: int) -> list[str]:
    arguments = [dice.choice([text(dice), value(dice)]), *[value(dice) for _ in range(dice.randrange(3))]]
    query = f"?utm_source={dice.choice(['ad', 'caf%C3%A9', '%zz'])}&gclid=x" if dice.random() < 0.3 else ""
    url = f"https://a.example/{dice.choice(['', 'pricing', 'é'])}{query}"
    name = dice.choice(CALLS)
    if name in OURS:
        arguments = OURS[name]
    entry = {"call": name, "args": arguments, "at": at, "url": url, "referrer": "", "title": text(dice)}
    entry["window"] = f"w{dice.randrange(3)}"
    return [ids.uuid7(at, dice.randbytes(10)), stringified(entry)]


def messages(dice: random.Random) -> list[dict[str, Any]]:
    seen = ids.uuid7(START, dice.randbytes(10))
    cookie = f"1.0.{seen}.a..0.0.{seen}"
    options = {"mask": "true", "deny": "title"} if dice.random() < 0.3 else {}
    facts = {"agent": values.whole(text(dice)), "language": "de-CH", "screen": [1280, 720], "viewport": [800, 600]}
    start = {"facts": facts, "options": {"key": "bk_test", **options}, "stored": [cookie, cookie + "\n{}"]}
    made: list[dict[str, Any]] = [{"facts": {"timezone": "Europe/Zurich"}}, {"start": start}]
    at = START
    for _ in range(12):
        at += dice.choice([0, 1, 50, 5000, 31 * 60 * 1000])
        made.append({"calls": [call(dice, at) for _ in range(dice.randrange(1, 4))]})
        if dice.random() < 0.7:
            made.append({"answer": {"status": dice.choice([200, 200, 413, 400]), "retry_after": 0, "detail": ""}})
    return made


def comparable(answer: str) -> Any:
    """What must agree: everything but the clocks, which a request and a timer show."""
    effects = json.loads(answer)
    for effect in effects:
        if effect[0] == "send":
            effect[1] = json.loads(effect[1])["batch"]
        elif effect[0] == "wake":
            del effect[1:]
        elif effect[0] == "journal":
            effect[2] = json.loads(effect[2])
        elif effect[0] == "store":
            cookie, _, rest = effect[2].partition("\n")
            effect[2] = [cookie, json.loads(rest)]
        elif effect[0] == "done":
            effect[1].sort()
        elif effect[0] == "say":
            del effect[2:]  # repr() of what was passed is not the same on both
    return effects


@pytest.mark.parametrize("seed", range(8))
def test_cpython_and_the_bundle_agree_on_random_calls(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both clocks are set by hand, as worker.mjs says: a busy machine was late with one of them, and sent sooner."""
    clock = itertools.count(START + STEP, STEP)
    monkeypatch.setattr(worker, "time", SimpleNamespace(time=lambda: next(clock) / 1000))
    dice = random.Random(seed)
    visits = [messages(dice) for _ in range(25)]
    lines = "\n".join(stringified(message) for visit in visits for message in visit)
    done = subprocess.run(
        ["node", HERE / "worker.mjs", built()], input=lines, capture_output=True, text=True, timeout=100, check=True
    )
    *answers, cold = done.stdout.removesuffix("\n").split("\n")
    heard = iter(answers)
    for visit in visits:
        here = worker.Worker()
        for message in visit:
            theirs = comparable(next(heard))
            assert theirs == comparable(here.handle(json.dumps(message))), message
    assert cold == "0", "random calls reached what was cut: the bundle works, but fetches its other half"
