"""LZ-String against the original, as posthog-js bundled it; and what is no LZ-String, or too much of it."""

from __future__ import annotations

import base64
import json
import random
import shutil
import subprocess
import time
import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest
from beknown_server.lzstring import MAX_LETTERS, MAX_TEXT, Damaged, Swollen, decompressed
from hypothesis import given, settings
from hypothesis import strategies as st

PACKAGE = Path(__file__).parents[2] / "static/node_modules/lz-string/libs/lz-string.js"
COMPRESS = """
const { compressToBase64 } = require(process.argv[1]);
const texts = JSON.parse(require('fs').readFileSync(0));
process.stdout.write(JSON.stringify(texts.map(compressToBase64)));
"""
KINDS = ["ab", "0123456789 {}", "äöü€", "🦉\U0001f600a", "\0\x01\xff\u0100", "".join(map(chr, range(32, 3000)))]


def compressed(texts: list[str]) -> list[bytes]:
    node = shutil.which("node")
    assert node, "Node is needed: make test brings one"
    done = subprocess.run([node, "-e", COMPRESS, str(PACKAGE)], input=json.dumps(texts).encode(), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return [text.encode() for text in json.loads(done.stdout)]


def test_what_the_original_compressed_comes_back() -> None:
    dice = random.Random(5)
    texts = ["", "a", "aa", "🦉", json.dumps([{"event": f"e{n}", "distinct_id": "ada"} for n in range(500)])]
    for number in range(300):
        texts.append("".join(dice.choices(dice.choice(KINDS), k=int(dice.random() ** 4 * 3000))) * (number % 3))
    for text, packed in zip(texts, compressed(texts), strict=True):
        assert decompressed(packed) == text


def test_half_an_emoji_becomes_the_sign_for_it() -> None:
    assert decompressed(compressed(["a\ud83e"])[0]) == "a\ufffd"


def bomb(letter: str, codes: int) -> bytes:
    """One letter, then always the entry that is just being made: each is one letter longer than the one before."""
    word = ord(letter) > 255
    parts = [(int(word), 2), (ord(letter), 16 if word else 8), *((code, code.bit_length()) for code in range(4, codes))]
    bits = "".join(f"{value:0{width}b}"[::-1] for value, width in parts)
    bits += "0" * (-len(bits) % 24)
    return base64.b64encode(int(bits, 2).to_bytes(len(bits) // 8, "big"))


@pytest.mark.parametrize("letter", "a€")
def test_a_bomb_is_refused_within_50_ms_and_16_mib(letter: str) -> None:
    def refuse() -> float:
        begun = time.thread_time()
        with pytest.raises(Swollen, match=f"over {MAX_LETTERS} letters"):
            decompressed(bomb(letter, 3000))
        return time.thread_time() - begun

    tracemalloc.start()
    refuse()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20
    assert min(refuse() for _ in range(3)) < 0.05


def test_more_than_an_old_sdk_would_send_is_refused_unread() -> None:
    with pytest.raises(Swollen, match="over 262144 bytes"):
        decompressed(b"A" * (MAX_TEXT + 4))


@pytest.mark.parametrize("text", [b"", b"!", b"N4", b"hello world", b"////", b"AAAA", b"IY"])
def test_what_is_no_lz_string_is_damaged(text: bytes) -> None:
    with pytest.raises(Damaged):
        decompressed(text)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bits_are_read_or_damaged(data: bytes) -> None:
    with suppress(Damaged, Swollen):
        decompressed(base64.b64encode(data)).encode()
