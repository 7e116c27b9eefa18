"""Compressed bodies: read in every encoding, refused as bombs in little time and memory, never half believed."""

from __future__ import annotations

import gzip
import random
import sys
import time
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress

import brotli
import pytest
from beknown_server.errors import TooLarge, Unusable
from beknown_server.inflate import DRAWN, FED, MAX_RATIO, inflated
from hypothesis import given, settings
from hypothesis import strategies as st

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MIB = 1 << 20


def bare_deflate(data: bytes) -> bytes:
    engine = zlib.compressobj(wbits=-15)
    return engine.compress(data) + engine.flush()


WAYS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "deflate without its frame": ("deflate", bare_deflate),
    "br": ("br", lambda data: brotli.compress(data, quality=3)),
    "zstd": ("zstd", zstd.compress),
}
EACH_WAY = pytest.mark.parametrize("way", WAYS)


@EACH_WAY
@pytest.mark.parametrize("size", [0, 1, FED, DRAWN, DRAWN + 1, 3 * DRAWN, MIB])
def test_what_was_compressed_comes_back(way: str, size: int) -> None:
    encoding, compress = WAYS[way]
    data = random.Random(size).randbytes(size // 2) + b"x" * (size - size // 2)
    assert inflated(compress(data), encoding, limit=MIB) == data


@EACH_WAY
def test_one_byte_over_the_limit_is_refused(way: str) -> None:
    encoding, compress = WAYS[way]
    data = random.Random(1).randbytes(DRAWN)
    assert inflated(compress(data), encoding, limit=DRAWN) == data
    with pytest.raises(TooLarge, match="over 65535 bytes"):
        inflated(compress(data), encoding, limit=DRAWN - 1)


@EACH_WAY
def test_a_bomb_is_refused_within_50_ms_and_16_mib(way: str) -> None:
    encoding, compress = WAYS[way]
    bomb = compress(b" " * (32 * MIB))

    def refuse() -> None:
        with pytest.raises(TooLarge, match=f"{MAX_RATIO} times"):
            inflated(bomb, encoding, limit=50 * MIB)

    tracemalloc.start()
    refuse()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * MIB
    times = []
    for _ in range(3):  # of this thread's own time: other programs on the machine do not count
        begun = time.thread_time()
        refuse()
        times.append(time.thread_time() - begun)
    assert min(times) < 0.05


@EACH_WAY
def test_a_body_that_was_cut_is_damaged_not_large(way: str) -> None:
    encoding, compress = WAYS[way]
    whole = compress(b'{"event": "x"}' * 50)
    for end in range(len(whole)):
        with pytest.raises(Unusable, match=f"says it is {encoding} but is damaged"):
            inflated(whole[:end], encoding, limit=MIB)


@settings(deadline=None)
@given(st.sampled_from(list(WAYS)), st.binary(max_size=300), st.integers(0, 10**6), st.binary(max_size=6))
def test_any_damage_is_a_refusal_or_bounded(way: str, data: bytes, place: int, damage: bytes) -> None:
    encoding, compress = WAYS[way]
    whole = compress(data)
    at = place % (len(whole) + 1)
    with suppress(Unusable, TooLarge):
        assert len(inflated(whole[:at] + damage + whole[at + len(damage) :], encoding, limit=4096)) <= 4096
