"""Bytes thrown at the decoder, from bodies as SDKs send them to what nobody would: only refusals may come back.

    python bench/soak_decoder.py [--seconds 300] [--blind] [--seed N] [--results FILE]

atheris mutates the bodies below and keeps what reaches new code. Where it is not installed (`pip install -e .[soak]`;
it has no wheel for every Python), or with --blind, they are mutated without looking. Ends with 1 if anything but a
refusal is raised, if one input takes over a second of processor time, or if the process needs over 512 MiB.
"""

import argparse
import base64
import gzip
import importlib.util
import json
import random
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from memory import peak_mib

RESULTS = Path(__file__).parent / "results/soak_decoder.json"
MAX_SECONDS = 1.0  # of processor time for one input
MAX_INPUT = 64 << 10
MAX_MIB = 512
LIMIT = 12 << 20
NOW = 1_795_471_200_000
FORM = "application/x-www-form-urlencoded"
# The first byte of an input chooses one of these; the rest is the body.
WAYS: list[dict[str, Any]] = [
    *({"content_type": kind, "legacy": old} for kind in ("text/plain", FORM) for old in (True, False)),
    {"content_type": "", "legacy": True, "query": {"compression": "lz64"}},
    {"content_type": FORM, "legacy": True, "encoding": "lz64"},
    *({"newer": encoding} for encoding in ("", "gzip", "deflate", "br", "zstd")),
]
EVENT = {
    "event": "$identify", "distinct_id": "ada", "uuid": "0195a0b2-0000-7000-8000-00000000000a", "offset": 5,
    "timestamp": "2026-11-23T22:00:00.5+03:00", "$set": {"plan": "pro"}, "options": {"process_person_profile": True},
    "properties": {"$anon_distinct_id": "a1", "$session_id": "s", "$unset": ["x"], "$groups": {"company": "acme"},
                   "$set_once": {"first": 1.5}, "token": "bk_x", "deep": [[[{"n": None}]]], "text": "\\ud83e \u20ac"},
}  # fmt: skip
BATCH = {"api_key": "bk_x", "sent_at": "2026-11-23T22:00:00Z", "created_at": "2026-11-23T22:00:00Z", "batch": [EVENT]}
LZ64 = b"N4IgpgbmB2AuIC4QA8QBoQBMCWBnW20AxrAPraaIgCGm1IAvkA=="
WORDS = [
    b'{"', b'":', b'"}', b"[[[[[[[[", b"{}", b"null", b"NaN", b"-Infinity", b"1e999", b"\\ud800", b"\\u0000", b"data=",
    b"%00", b"compression=lz64", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\x78\x9c", b"9" * 30, b"distinct_id", b"batch",
    b"$anon_distinct_id", b"alias", b"$create_alias", b"$set", b"properties", b"uuid", b"timestamp", b"====",
]  # fmt: skip


def bodies() -> list[bytes]:
    """Give inputs as SDKs would send them: a way, and a body that it is right for."""
    text = json.dumps(BATCH).encode()
    form = b"data=" + base64.b64encode(text).replace(b"+", b"%2B") + b"&compression=base64"
    forms = [text, text, form, form, LZ64, b"data=" + LZ64, text, gzip.compress(text), zlib.compress(text), text, text]
    more = [gzip.compress(text), base64.b64encode(gzip.compress(text)), json.dumps([EVENT] * 3).encode(), b"[" * 5000]
    found = [bytes([way]) + body for way, body in enumerate(forms)]
    return found + [bytes([0]) + body for body in more] + [compressed(way, text) for way in (9, 10)]


def compressed(way: int, text: bytes) -> bytes:
    import brotli
    from beknown_server.inflate import ENCODINGS

    assert (WAYS[9]["newer"], WAYS[10]["newer"]) == ENCODINGS[2:] == ("br", "zstd")
    if way == 9:
        return bytes([way]) + brotli.compress(text)
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return bytes([way]) + zstd.compress(text)


def decoder() -> Callable[[bytes], None]:
    """Give what takes one input through everything that looks at a body; it raises only what must not be raised."""
    from beknown_server.envelope import opened, results
    from beknown_server.errors import Refusal
    from beknown_server.inflate import inflated
    from beknown_server.intake import Skip, Terms, described, taken
    from beknown_server.payload import delivery, parsed, unwrapped

    terms = Terms(NOW, NOW - 90_000, {}, lambda now: EVENT["uuid"], nameless_is_identify=True)

    def decode(data: bytes) -> None:
        way = WAYS[data[0] % len(WAYS)] if data else WAYS[0]
        body = data[1:]
        try:
            if "newer" in way:
                whole = inflated(body, way["newer"], limit=LIMIT) if way["newer"] else body
                sent = opened(parsed(whole), "fuzz/1")
                results(sent, {})
                events = [one.raw for one in sent if not one.dropped]
            else:
                query = way.get("query", {})
                options = {"query": query, "limit": LIMIT, "encoding": way.get("encoding", "")}
                document = unwrapped(body, content_type=way["content_type"], legacy=way["legacy"], **options)
                events = delivery(document, query=query).events
        except Refusal as refusal:
            if not refusal.fix:
                raise AssertionError(f"{refusal.code} does not say what to do") from refusal
            return
        for raw in events[:2000]:
            try:
                json.dumps(taken(raw, terms).event.properties)
            except Skip:
                described(raw)

    def timed(data: bytes) -> None:
        began = time.thread_time()
        decode(data)
        seconds = time.thread_time() - began
        assert seconds < MAX_SECONDS, f"one input of {len(data)} bytes took {seconds:.2f} s"

    return timed


def mutated(dice: random.Random, corpus: list[bytes]) -> bytes:
    """Give one of the bodies with a few bytes changed, taken out, put in or repeated."""
    data = bytearray(dice.choice(corpus))
    for _ in range(dice.randint(1, 6)):
        at, length = dice.randrange(len(data) + 1), dice.randint(0, 8)
        change = dice.randrange(5)
        if change == 0:
            data[at : at + length] = b""
        elif change == 1:
            data[at : at + length] = dice.randbytes(length)
        elif change == 2:
            data[at:at] = dice.choice(WORDS) * dice.choice((1, 1, 3, 300))
        elif change == 3:
            other = dice.choice(corpus)
            data[at:] = other[dice.randrange(len(other)) :]
        elif at < len(data):
            data[at] ^= 1 << dice.randrange(8)
    return bytes(data[:MAX_INPUT])


def blind(seconds: float, seed: int) -> dict[str, Any]:
    """Mutate without looking, for so long; give what was done, and what went wrong with which input."""
    decode, dice, corpus = decoder(), random.Random(seed), bodies()
    until, count = time.monotonic() + seconds, 0
    for body in corpus:
        decode(body)
    while time.monotonic() < until:
        data = mutated(dice, corpus)
        count += 1
        try:
            decode(data)
        except Exception as error:  # the very subject: nothing may be raised
            failure = f"{type(error).__name__}: {error}"
            return {"inputs": count, "peak_mib": round(peak_mib()), "failure": failure, "input": data.hex()[:20_000]}
    return {"inputs": count, "peak_mib": round(peak_mib()), "failure": None}


def guided(seconds: float, seed: int) -> dict[str, Any]:
    """Have atheris look for new ways through the code, in a process of its own: it ends its process."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        for number, body in enumerate(bodies()):
            (corpus / str(number)).write_bytes(body)
        words = Path(folder) / "words"
        words.write_text("".join(f'"{"".join(f"{chr(92)}x{byte:02x}" for byte in word)}"\n' for word in WORDS))
        options = [f"-max_total_time={int(seconds)}", f"-seed={seed % (1 << 31)}", f"-max_len={MAX_INPUT}"]
        options += [f"-rss_limit_mb={MAX_MIB}", "-timeout=20", f"-dict={words}", "-print_final_stats=1"]
        command = [sys.executable, __file__, "--engine", *options, f"-artifact_prefix={folder}/", str(corpus)]
        done = subprocess.run(command, capture_output=True, text=True)
        crashes = [path.read_bytes().hex()[:20_000] for path in Path(folder).glob("*-*") if path.is_file()]
        found = {"inputs": stat(done.stderr, "number_of_executed_units"), "corpus": len(list(corpus.iterdir()))}
        found |= {"peak_mib": stat(done.stderr, "peak_rss_mb")}
        failure = None if done.returncode == 0 else done.stdout[-2000:] + done.stderr[-2000:]
        return found | {"failure": failure} | ({"input": crashes[0]} if crashes else {})


def stat(text: str, name: str) -> int:
    return next((int(line.split()[-1]) for line in text.splitlines() if f"stat::{name}:" in line), 0)


def engine(arguments: list[str]) -> None:
    import atheris

    parts = "payload intake envelope inflate lzstring moments".split()
    with atheris.instrument_imports(include=[*(f"beknown_server.{part}" for part in parts), "beknown.values"]):
        decode = decoder()
    atheris.Setup([sys.argv[0], *arguments], decode)
    atheris.Fuzz()


def main() -> int:
    if sys.argv[1:2] == ["--engine"]:
        engine(sys.argv[2:])
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--seconds", type=float, default=300)
    options.add_argument("--blind", action="store_true")
    options.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    options.add_argument("--results", type=Path, default=RESULTS)
    chosen = options.parse_args()
    sees = importlib.util.find_spec("atheris") is not None and not chosen.blind
    print(f"soak_decoder: {chosen.seconds:.0f} s, {'atheris' if sees else 'blind'}, seed {chosen.seed}", flush=True)
    found = (guided if sees else blind)(chosen.seconds, chosen.seed)
    said = {"engine": "atheris" if sees else "blind", "seconds": chosen.seconds, "seed": chosen.seed, **found}
    chosen.results.write_text(json.dumps(said, indent=2) + "\n")
    print(json.dumps(said, indent=2))
    return 1 if found["failure"] or found["peak_mib"] > MAX_MIB else 0


if __name__ == "__main__":
    sys.exit(main())
