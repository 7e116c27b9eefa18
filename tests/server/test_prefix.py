"""First-party hosting: a reverse proxy serves us under a path of the site, whether it takes the path off or not."""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from beknown_server.store import open_store

from .conftest import KEY, SECRET, Server, uuid_of

HOP = {"connection", "transfer-encoding", "keep-alive", "date", "server"}


@contextmanager
def proxy(port: int, *, takes_off: str) -> Iterator[str]:
    """A reverse proxy that passes ``/t/...`` on, as the recipes for nginx and Caddy do; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if not self.path.startswith("/t/"):
                self.send_error(404)
                return
            line = http.client.HTTPConnection("127.0.0.1", port)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
            headers |= {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}
            line.request(self.command, self.path.removeprefix(takes_off), body or None, headers)
            answer = line.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in HOP | {"content-length"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            line.close()

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("takes_off", ["/t", ""])
def test_everything_works_under_a_path_of_the_site(serve: Callable[..., Server], takes_off: str) -> None:
    server = serve("--url", "https://shop.example/t", "--proxies", "1", "--rate-per-address", "1000")
    with proxy(server.port, takes_off=takes_off) as site, httpx.Client(base_url=site) as client:
        client.headers["Host"] = "shop.example"
        assert client.get("/t/beknown.js").status_code == 200
        assert client.get("/t/healthz/ready").status_code == 200
        uuid = uuid_of()
        sent = client.post("/t/e/", json={"api_key": KEY, "event": "x", "distinct_id": "ada", "uuid": uuid})
        assert sent.json() == {"status": 1}
        assert sent.headers["Strict-Transport-Security"]  # it knows that the visitor came by https
        assert client.get("/beknown.js").status_code == 404  # the site's own

        turned_away = client.get("/t/live")
        assert turned_away.status_code == 302
        assert turned_away.headers["Location"] == "/t/login?next=/t/live"
        form = client.get("/t/login?next=/t/live")
        csrf = re.search(r'name="csrf" value="([^"]+)"', form.text)
        assert csrf is not None
        cookies = "; ".join(one.partition(";")[0] for one in form.headers.get_list("set-cookie"))
        entered = client.post(
            "/t/login", data={"secret_key": SECRET, "csrf": csrf[1], "next": "/t/live"}, headers={"Cookie": cookies}
        )
        assert (entered.status_code, entered.headers["Location"]) == (303, "/t/live")
        cookies = "; ".join(one.partition(";")[0] for one in entered.headers.get_list("set-cookie"))
        live = client.get("/t/live", headers={"Cookie": cookies})
        assert live.status_code == 200
        links = re.findall(r'(?:href|src|action)="(/[^"]*)"', live.text)
        assert links
        assert [link for link in links if not link.startswith("/t/")] == []
        for link in {link for link in links if link.endswith((".css", ".js"))}:
            assert client.get(link).status_code == 200, link
    assert server.stop() == 0
    store = open_store(server.database)
    assert [row.uuid for row in store.recent(1)] == [uuid]
    store.close()
