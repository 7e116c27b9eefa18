"""The web server of the bench: the shop's page in one copy per tag, and what an unmodified posthog-js asks for.

Rules:
- Everything is compressed beforehand (brotli 11) and held in memory; scripts, style and picture may be cached.
- posthog-js is served as its npm package has it, and its events are answered at once, so nothing here holds it up.
"""

import asyncio
import gzip
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import brotli

HERE = Path(__file__).parent
CACHED = "Cache-Control: public, max-age=86400\r\n"
# What makes performance.now() precise to 5 us instead of 100; "credentialless" so that no tag needs other headers.
ISOLATED = "Cross-Origin-Opener-Policy: same-origin\r\nCross-Origin-Embedder-Policy: credentialless\r\n"


def answer(body: bytes, kind: str, *, headers: str = "", compress: bool = True) -> bytes:
    """Give a whole 200 answer of HTTP/1.1, its body compressed as far as brotli can."""
    if compress:
        body, headers = brotli.compress(body, quality=11), headers + "Content-Encoding: br\r\n"
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        f"Access-Control-Allow-Origin: *\r\n{headers}\r\n"
    )
    return head.encode() + body


@dataclass
class Host:
    """An HTTP server of fixed answers: ``pages`` for GET by path; every POST is thanked, its ``events`` counted."""

    pages: dict[str, bytes] = field(default_factory=dict)
    events: Counter[str] = field(default_factory=Counter)

    async def start(self) -> int:
        """Serve on a free port of loopback; give the port."""
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        port: int = server.sockets[0].getsockname()[1]
        return port

    def add_shop(self, tags: dict[str, str]) -> None:
        """Serve the shop's parts, and its page with each tag at ``/<name>`` (and ``/<name>/isolated``: fine clock).

        ``/blank`` is where a browser starts: the same site, so that the visit stays in the process that it starts in.
        """
        page = (HERE / "shop/index.html").read_text()
        for name, tag in tags.items():
            html = page.replace("<!-- the tag -->", tag).encode()
            self.pages[f"/{name}"] = answer(html, "text/html", headers="Cache-Control: no-cache\r\n")
            self.pages[f"/{name}/isolated"] = answer(html, "text/html", headers=ISOLATED)
        self.pages["/style.css"] = answer((HERE / "shop/style.css").read_bytes(), "text/css", headers=CACHED)
        picture = (HERE / "shop/bread.jpg").read_bytes()
        self.pages["/bread.jpg"] = answer(picture, "image/jpeg", headers=CACHED, compress=False)
        self.pages["/favicon.ico"] = answer(b"", "image/x-icon", headers=CACHED, compress=False)
        self.pages["/blank"] = answer(b"<!doctype html>", "text/html", headers="Connection: close\r\n")

    def add_posthog(self, script: Path) -> None:
        """Serve posthog-js under the path of PostHog's own hosts."""
        self.pages["/static/array.js"] = answer(script.read_bytes(), "text/javascript", headers=CACHED)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                method, target, _ = head.split(" ", 2)
                length = re.search(r"^content-length: *(\d+)", head, re.IGNORECASE | re.MULTILINE)
                body = await reader.readexactly(int(length[1])) if length else b""
                writer.write(self._answer(method, target.split("?")[0]))
                if target == "/blank":
                    break
                if method == "POST":
                    self._count(body)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the browser has gone
        writer.close()

    def _count(self, body: bytes) -> None:
        """Count what posthog-js sent: gzip, by its first bytes, around ``{"batch": [...]}`` (posthog-js §6.2)."""
        sent = json.loads(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
        self.events.update(event["event"] for event in sent["batch"])

    def _answer(self, method: str, path: str) -> bytes:
        if method == "POST":
            return answer(b'{"status":1}', "application/json", compress=False)
        missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nAccess-Control-Allow-Origin: *\r\n\r\n"
        return self.pages.get(path, missing)
