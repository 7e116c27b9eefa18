"""A request's body, read with limits: of its size, whatever it says of its length, and of the time it takes.

Rules:
- Room is taken as bytes arrive: what is sent in chunks tells no length, and a length may be a lie.
- Who stalls keeps a thread of ours: a body is given up when nothing has come for STALL_S seconds, or when it has not
  come whole within WHOLE_S. Without gunicorn, whose socket is needed for that, the host's server sees to it.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from flask import request
from werkzeug.exceptions import ClientDisconnected

from .errors import Stalled, TooLarge

PIECE = 64 << 10  # bytes that are asked for at a time
STALL_S = 10.0
WHOLE_S = 60.0
LATE = (TimeoutError, BlockingIOError)  # the second is what recv() raises when the socket's own limit is over


def body_of(most: int) -> bytes:
    """Give the request's body. Raises TooLarge if it has over ``most`` bytes, and Stalled."""
    length, stream = request.content_length, request.stream
    if (length or 0) > most:
        raise too_large(most)
    body, until = bytearray(), time.monotonic() + WHOLE_S
    with _patience():
        while len(body) != length and (piece := stream.read(PIECE)):
            body += piece
            if len(body) > most:
                raise too_large(most)
            if time.monotonic() > until:
                raise TimeoutError
    return bytes(body)


def too_large(most: int) -> TooLarge:
    """Give the refusal of a body over so many bytes."""
    return TooLarge("body_too_large", f"the body is over {most} bytes.", fix="Send smaller batches, or gzip them.")


@contextmanager
def _patience() -> Iterator[None]:
    """Wait STALL_S for each piece; raise Stalled after that, and listen to this connection no more."""
    line: socket.socket | None = request.environ.get("gunicorn.socket")
    if line is not None:
        _limit(line, STALL_S)
    try:
        yield
    except (*LATE, ClientDisconnected) as error:
        # Werkzeug says of anything that happens to the line that the client is gone.
        if not isinstance(error, LATE) and not isinstance(error.__context__, LATE):
            raise
        if line is not None:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RD)
        raise Stalled(
            "body_stalled", "the body did not arrive in time.", fix="Send it again; a proxy in front may buffer it."
        ) from None
    finally:
        if line is not None:
            _limit(line, 0)


def _limit(line: socket.socket, seconds: float) -> None:
    # Not settimeout(): it lets go of the interpreter, and the thread waits for its turn behind all others, twice per
    # request; and each recv() would ask poll() first.
    whole, rest = divmod(seconds, 1)
    with suppress(OSError):
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", int(whole), int(rest * 1_000_000)))
