"""Compressed bodies made whole: gzip, deflate, brotli and zstd, with limits that hold while they work.

Rules:
- Pure. A body is fed in small pieces and comes out in small pieces, so that a bomb is noticed after little of either.
- A bomb is known by its size, or by its ratio: real events compress ten- to thirtyfold, a bomb a thousandfold.
- What gzip says about its size at its end is not believed: it is wrong in a body that was cut.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator

import brotli

from .errors import TooLarge, Unusable

if sys.version_info >= (3, 14):
    from compression.zstd import DecompressionParameter, ZstdDecompressor, ZstdError
else:
    from backports.zstd import DecompressionParameter, ZstdDecompressor, ZstdError

GZIP = b"\x1f\x8b\x08"
ENCODINGS = ("gzip", "deflate", "br", "zstd")

FED = 8 << 10  # bytes in at a time
DRAWN = 64 << 10  # bytes out at a time
FREE = 2 << 20  # bytes that may come out at any ratio
MAX_RATIO = 200
WINDOW_LOG = 23  # zstd looks back 8 MiB at most: its memory, which the sender would choose

Draw = Callable[[bytes], tuple[bytes, bool]]  # feed -> some of what comes out, whether that is all there is

_DAMAGED = (zlib.error, brotli.error, ZstdError, EOFError)


def inflated(payload: bytes, encoding: str, *, limit: int) -> bytes:
    """Give what a body holds. Raises TooLarge once it grows over ``limit`` bytes or is a bomb, Unusable if damaged."""
    pieces, size = [], 0
    try:
        for fed, piece in _pieces(payload, encoding):
            size += len(piece)
            if size > limit:
                raise _too_large(limit)
            if size > max(FREE, MAX_RATIO * fed):
                raise _bomb()
            pieces.append(piece)
    except _DAMAGED as error:
        raise Unusable(
            f"bad_{encoding}", f"the body says it is {encoding} but is damaged: {error}.", fix="Send it again."
        ) from None
    return b"".join(pieces)


def _pieces(payload: bytes, encoding: str) -> Iterator[tuple[int, bytes]]:
    """Give how much was fed so far, and what came out of it; raises EOFError if the end is missing."""
    draw = _engine(payload, encoding)
    for start in range(0, len(payload), FED):
        piece, ended = draw(payload[start : start + FED])
        while piece and not ended:
            yield start + FED, piece
            piece, ended = draw(b"")
        if ended:
            yield start + FED, piece
            return
    raise EOFError("it ends too early")


def _engine(payload: bytes, encoding: str) -> Draw:
    if encoding == "br":
        return _brotli()
    if encoding == "zstd":
        return _zstd()
    if encoding == "gzip":
        return _zlib(31)
    # HTTP's deflate is zlib's frame; some senders leave the frame out (posthog-server §1.12 takes both).
    framed = len(payload) > 1 and payload[0] & 15 == 8 and int.from_bytes(payload[:2], "big") % 31 == 0
    return _zlib(15 if framed else -15)


def _zlib(wbits: int) -> Draw:
    engine = zlib.decompressobj(wbits)

    def draw(feed: bytes) -> tuple[bytes, bool]:
        piece = engine.decompress(engine.unconsumed_tail + feed, DRAWN)
        return piece, engine.eof

    return draw


def _brotli() -> Draw:
    engine = brotli.Decompressor()

    def draw(feed: bytes) -> tuple[bytes, bool]:
        piece = engine.process(feed, output_buffer_limit=DRAWN)
        return piece, engine.is_finished()

    return draw


def _zstd() -> Draw:
    engine = ZstdDecompressor(options={DecompressionParameter.window_log_max: WINDOW_LOG})

    def draw(feed: bytes) -> tuple[bytes, bool]:
        piece = engine.decompress(feed, DRAWN)
        return piece, engine.eof

    return draw


def _too_large(limit: int) -> TooLarge:
    return TooLarge("inflated_too_large", f"the body inflates to over {limit} bytes.", fix="Send smaller batches.")


def _bomb() -> TooLarge:
    return TooLarge(
        "inflated_too_large",
        f"the body inflates to over {MAX_RATIO} times its size, as no events do.",
        fix="Send smaller batches.",
    )
