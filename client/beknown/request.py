"""A request to a collector, for every driver: how to connect, the body and the headers that describe it."""

import gzip
import time
from typing import Any

from .channel import Channel
from .record import LIBRARY
from .wire import VERSION, body, iso

MIN_GZIP = 1024  # bytes; below, compressing costs more than it saves
# Level 1 makes a batch of events ten times smaller; level 6 makes it a tenth smaller still, for three times the CPU.
GZIP_LEVEL = 1

HEADERS = {"Content-Type": "application/json", "User-Agent": f"{LIBRARY}/{VERSION}"}


def connection(channel: Channel) -> dict[str, Any]:
    """Give the arguments of both of httpx's clients."""
    # Reading the certificate authorities takes 0.1 s of CPU in each process; plain HTTP has no use for them.
    return {"timeout": channel.timeout, "verify": channel.host.startswith("https:")}


def packed(channel: Channel, texts: list[str]) -> tuple[bytes, dict[str, str]]:
    """Give the body of a request and the headers that describe it."""
    content = body(channel.key, texts, iso(time.time() * 1000)).encode()
    return zipped(content) if channel.gzip else (content, HEADERS)


def zipped(content: bytes) -> tuple[bytes, dict[str, str]]:
    """Give a JSON body compressed, if that is worth it, and the headers that describe it."""
    if len(content) < MIN_GZIP:
        return content, HEADERS
    return gzip.compress(content, GZIP_LEVEL, mtime=0), HEADERS | {"Content-Encoding": "gzip"}
