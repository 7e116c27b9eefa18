"""A request's body over the real server: whole, over its limit, in chunks, and from who stalls."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable

import pytest
from beknown_server import body
from beknown_server.ingest import LIMITS
from flask import Flask
from flask.testing import FlaskClient

from .conftest import KEY, Server

EVENT = json.dumps({"api_key": KEY, "event": "x", "distinct_id": "ada"}).encode()
HEAD = b"POST /e/ HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"


def answer_of(server: Server, *pieces: bytes) -> str:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as line:
        for piece in pieces:
            line.sendall(piece)
        line.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: line.recv(65536), b"")).decode()


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def test_bodies_of_any_length_over_one_server(serve: Callable[..., Server]) -> None:
    server = serve()
    most = LIMITS["e"][0]
    in_chunks = HEAD + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    assert " 200 OK" in answer_of(server, in_chunks, chunked(EVENT[:10], EVENT[10:]))
    large = chunked(*[b" " * 65536] * (most // 65536), b"  ")
    assert " 413 " in answer_of(server, in_chunks, large)
    said_too_much = HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % (most + 1)
    assert " 413 " in answer_of(server, said_too_much)
    cut = answer_of(server, HEAD + b"Content-Length: %d\r\n\r\n" % len(EVENT), EVENT[:-5])
    assert " 200 OK" not in cut  # it hung up in the middle
    assert "Traceback" not in server.log()


class Halting:
    """What gunicorn hands on as the body, over a line that says no more."""

    def __init__(self, line: socket.socket, start: bytes) -> None:
        self.line, self.start = line, start

    def read(self, size: int = -1) -> bytes:
        piece, self.start = self.start[:size], self.start[size:]
        return piece or self.line.recv(size)


@pytest.mark.parametrize("start", [b"", EVENT[:10]])
def test_who_stalls_is_given_up_with_408(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    monkeypatch.setattr(body, "STALL_S", 0.2)
    near, far = socket.socketpair()
    environ = {"gunicorn.socket": near, "wsgi.input": Halting(near, start), "CONTENT_LENGTH": str(len(EVENT))}
    began = time.monotonic()
    answer = client.post("/e/", environ_overrides=environ)
    assert (answer.status_code, answer.json["code"]) == (408, "body_stalled")
    assert answer.json["detail"].endswith("Send it again; a proxy in front may buffer it.")
    assert time.monotonic() - began < 20
    assert near.recv(1) == b""  # what would still come is not waited for
    near.close()
    far.close()


def test_who_drips_is_given_up_too(app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "WHOLE_S", 0.0)
    monkeypatch.setattr(body, "PIECE", 1)
    near, far = socket.socketpair()
    far.sendall(EVENT)
    environ = {"gunicorn.socket": near, "wsgi.input": Halting(near, b""), "CONTENT_LENGTH": str(len(EVENT))}
    answer = client.post("/e/", environ_overrides=environ)
    assert (answer.status_code, answer.json["code"]) == (408, "body_stalled")
    near.close()
    far.close()
