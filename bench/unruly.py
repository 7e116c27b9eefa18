"""A site and, on a port of its own, its collector behind a line that fails: for the soak of page visits.

Rules:
- Every POST draws its fate: passed on; refused (429, 500); swallowed; or passed on with the answer lost on the way.
- The page tells the site itself, at once and past the collector, what it has asked beknown for: the ledger.
- Every fifth page's policy forbids workers: the server's Python takes its calls, and is asked again when it fails.
- Files come late now and then, and half of the time no cache may keep them: pages are left while Python downloads.
"""

import http.client
import json
import random
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FATES = {"passed": 50, "429": 14, "500": 14, "swallowed": 10, "answer lost": 12}  # of 100
LONGEST_SILENCE = 4.0  # seconds until a swallowed request's connection is closed
LATEST_FILE = 1.2  # seconds

PAGE = """<!doctype html><title>A page that is left</title><script>
const turn = +location.search.slice(1);
const visit = turn + "@" + performance.timeOrigin; // a reload is a visit of its own
localStorage.turn = turn;
let number = 0;
let user = null; // unknown: as the last visit left it
const owed = []; // the ledger must know of what was called while the page was offline, too
const tell = (where, what) =>
  navigator.onLine ? navigator.sendBeacon(where, JSON.stringify(what)) : owed.push([where, what]);
addEventListener("online", () => owed.splice(0).forEach((each) => tell(...each)));
const step = () => {
  if (localStorage.turn > turn) return; // a tab that should have closed or crashed, and goes on: whose user is it?
  const dice = Math.random();
  if (dice < 0.15) beknown.identify((user = "user-" + turn));
  else if (dice < 0.25) { user = ""; beknown.reset(); }
  number += 1;
  beknown.capture("step", { visit, number });
  tell("/ledger", [visit, number, user]);
  setTimeout(step, Math.random() * 400);
};
const begin = () => { step(); beknown.ready.then(() => tell("/up", visit)); };
</script><script async src="COLLECTOR/beknown.js" data-key="KEY" data-bots="count" onload="begin()"></script>"""


class Unruly:
    """Both servers: ``site`` and ``collector`` are their addresses, the rest is what was seen."""

    def __init__(self, port: int, key: str, seed: int, *, forbids_workers: bool) -> None:
        self.behind = port
        self.forbids_workers = forbids_workers
        self.dice = random.Random(seed)
        self.calm = False  # from now on everything passes
        self.ledger: dict[tuple[int, int], str | None] = {}  # (visit, number) -> user, "" for nobody, None for unknown
        self.up: set[str] = set()  # visits that lasted until Python had started
        self.pages = 0
        self.without_worker = 0
        self.fates: Counter[str] = Counter()
        self.servers = [_server(_Site, self), _server(_Line, self)]
        self.site, self.collector = (f"http://127.0.0.1:{server.server_address[1]}" for server in self.servers)
        self.page = PAGE.replace("COLLECTOR", self.collector).replace("KEY", key).encode()
        self.policy = f"script-src 'unsafe-inline' {self.collector}"

    def fate(self) -> str:
        """Draw what becomes of a request."""
        drawn = "passed" if self.calm else self.dice.choices(list(FATES), list(FATES.values()))[0]
        self.fates[drawn] += 1
        return drawn

    def close(self) -> None:
        for server in self.servers:
            server.shutdown()
            server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    unruly: Unruly

    def handle_error(self, request: object, client_address: object) -> None:
        """A page that was left closes its connections; that is the subject here, not a fault."""


def _server(handler: type[BaseHTTPRequestHandler], unruly: Unruly) -> _Server:
    server = _Server(("127.0.0.1", 0), handler)
    server.unruly = unruly
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def reply(self, status: int, body: bytes, headers: list[tuple[str, str]]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class _Site(_Handler):
    def do_GET(self) -> None:
        unruly = self.server.unruly
        unruly.pages += self.path != "/favicon.ico"
        headers = [("Content-Type", "text/html"), ("Cache-Control", "no-store")]
        if unruly.forbids_workers and self.path[-1] in "38" and not unruly.calm:
            unruly.without_worker += 1
            headers.append(("Content-Security-Policy", unruly.policy))
        self.reply(200, unruly.page, headers)

    def do_POST(self) -> None:
        told = json.loads(self.body())
        if self.path == "/up":
            self.server.unruly.up.add(told)
        else:
            self.server.unruly.ledger[(told[0], told[1])] = told[2]
        self.reply(204, b"", [])


class _Line(_Handler):
    def do_GET(self) -> None:
        unruly, late = self.server.unruly, self.server.unruly.dice.random()
        if late < 0.3 and not unruly.calm:
            time.sleep(late / 0.3 * LATEST_FILE)
        self.pass_on(b"", keep=self.path == "/beknown.js" or late < 0.5)

    def do_OPTIONS(self) -> None:
        self.pass_on(b"")

    def do_POST(self) -> None:
        unruly, body = self.server.unruly, self.body()
        fate = unruly.fate()
        if fate == "passed":
            self.pass_on(body)
        elif fate == "swallowed":
            time.sleep(unruly.dice.random() * LONGEST_SILENCE)
            self.close_connection = True
        elif fate == "answer lost":
            self.pass_on(body, is_answered=False)
        else:
            shared = [("Access-Control-Allow-Origin", self.headers.get("Origin", "*"))]
            shared.append(("Access-Control-Allow-Credentials", "true"))
            shared.append(("Access-Control-Expose-Headers", "Retry-After"))
            self.reply(int(fate), b'{"detail": "staged"}', [*shared, ("Retry-After", "1")])

    def pass_on(self, body: bytes, *, is_answered: bool = True, keep: bool = True) -> None:
        behind = http.client.HTTPConnection("127.0.0.1", self.server.unruly.behind, timeout=30)
        passed = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        behind.request(self.command, self.path, body=body, headers=passed)
        answer = behind.getresponse()
        content = answer.read()
        behind.close()
        if not is_answered:
            self.close_connection = True
            return
        left_out = ("connection", "content-length", "transfer-encoding", "date", "server")
        headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in left_out]
        if not keep:
            headers = [pair for pair in headers if pair[0].lower() != "cache-control"] + [("Cache-Control", "no-store")]
        self.reply(answer.status, content, headers)
