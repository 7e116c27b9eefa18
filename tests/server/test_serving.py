"""``beknown serve`` as a process: it stops gracefully, counts over its workers, and refuses to start half ready."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from beknown_server.store import open_store

from .conftest import COMMAND, KEY, SECRET, Server, uuid_of


def beknown(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, timeout=30
    )


def test_metrics_are_summed_over_the_workers(serve: Callable[..., Server]) -> None:
    server = serve("--workers", "2")
    for _ in range(20):
        httpx.post(server.url + "/e/", json={"api_key": KEY, "event": "x", "distinct_id": "ada", "uuid": uuid_of()})
    for _ in range(5):  # whichever worker answers
        assert "beknown_events_stored_total 20.0" in httpx.get(server.url + "/metrics").text
    assert server.stop() == 0


def test_it_says_its_version(tmp_path: Path) -> None:
    assert beknown("--version", cwd=tmp_path).stdout.startswith("beknown, version ")


def test_the_first_start_makes_keys_and_shows_the_secret_once(tmp_path: Path) -> None:
    first = beknown("project", "list", cwd=tmp_path)
    assert (first.returncode, first.stdout) == (0, "")
    made = beknown("project", "create", "Shop", cwd=tmp_path).stdout
    assert "bks_" in made
    write_key = next(word for word in made.split() if word.startswith("bk_"))
    listed = beknown("project", "list", cwd=tmp_path).stdout
    assert listed == f"1  {write_key}  Shop\n"
    assert "bks_" in beknown("project", "rotate-key", "1", cwd=tmp_path).stdout
    snippet = beknown("snippet", "--url", "https://t.example.com/", cwd=tmp_path).stdout
    assert snippet.startswith("<script async")
    assert f'src="https://t.example.com/beknown.js" data-key="{write_key}"' in snippet


def test_it_refuses_to_start_on_a_database_that_is_behind(tmp_path: Path) -> None:
    refused = beknown("serve", "--no-migrate", "--port", "0", cwd=tmp_path)
    assert refused.returncode == 2
    assert "beknown migrate" in refused.stderr
    assert beknown("migrate", cwd=tmp_path).returncode == 0
    assert beknown("project", "list", cwd=tmp_path, BEKNOWN_MIGRATE="no").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["serve", "--database", "mysql://x"], "Write sqlite:///"),
        (["serve", "--key", "bks_x"], "public"),
        (["person", "show", "nobody"], "no such project"),
        (["project", "rotate-key", "9"], "beknown project list"),
    ],
)
def test_a_failure_is_one_sentence_of_advice(tmp_path: Path, arguments: list[str], advice: str) -> None:
    failed = beknown(*arguments, cwd=tmp_path)
    assert failed.returncode == 2
    assert advice in failed.stderr
    assert failed.stderr.count("\n") == 1


def test_the_terminal_shows_and_explains_a_person(serve: Callable[..., Server]) -> None:
    server = serve()
    claim = {"$anon_distinct_id": "anon-1", "$set": {"email": "ada@example.com"}}
    events = [
        {"event": "$identify", "distinct_id": "ada", "properties": claim},
        {"event": "$identify", "distinct_id": "bob", "properties": {"$anon_distinct_id": "null"}},
    ]
    httpx.post(server.url + "/batch/", json={"api_key": KEY, "batch": events})
    assert server.stop() == 0
    shown = beknown("person", "show", "anon-1", cwd=server.folder).stdout
    assert "ada@example.com  (identified)" in shown
    assert "claim" in beknown("person", "explain", "ada", cwd=server.folder).stdout
    assert "junk_id" in beknown("person", "explain", "bob", cwd=server.folder).stdout
    assert "no event ever" in beknown("person", "show", "nobody", cwd=server.folder).stderr


def test_no_key_stands_in_the_log(serve: Callable[..., Server]) -> None:
    server = serve()
    httpx.get(server.url + "/api/persons", headers={"Authorization": f"Bearer {SECRET}"})
    server.stop()
    assert SECRET not in server.log()


def test_a_stop_answers_what_is_in_flight_and_stores_what_it_acknowledged(serve: Callable[..., Server]) -> None:
    server = serve()
    answers: list[tuple[str, int]] = []
    stopping = threading.Event()

    def send() -> None:
        client = httpx.Client()
        while True:
            uuid = uuid_of()
            body = {"api_key": KEY, "event": "x", "distinct_id": "ada", "uuid": uuid}
            try:
                answers.append((uuid, client.post(server.url + "/e/", json=body).status_code))
            except httpx.ConnectError:  # nobody listens any more
                client.close()
                return
            except httpx.TransportError:  # was connected, but not taken up yet
                assert stopping.is_set()

    senders = [threading.Thread(target=send) for _ in range(4)]
    for sender in senders:
        sender.start()
    while len(answers) < 50:
        time.sleep(0.01)
    stopping.set()
    assert server.stop() == 0
    for sender in senders:
        sender.join()
    store = open_store(server.database)
    stored = {row.uuid for row in store.recent(1, limit=1_000_000)}
    store.close()
    acknowledged = {uuid for uuid, status in answers if status == 200}
    assert len(acknowledged) >= 50
    assert acknowledged <= stored


def test_a_port_that_is_taken_is_said_at_once(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve()
    refused = beknown("serve", "--port", str(server.port), cwd=tmp_path)
    assert refused.returncode == 2
    assert "Choose another with --port" in refused.stderr


def test_projects_are_kept_up_from_the_terminal_while_the_server_runs(serve: Callable[..., Server]) -> None:
    server = serve("--workers", "2", "--log", "json")

    def send(key: str, origin: str) -> int:
        body = {"api_key": key, "event": "x", "distinct_id": "ada", "uuid": uuid_of()}
        return httpx.post(server.url + "/e/", json=body, headers={"Origin": origin}).status_code

    assert send(KEY, "https://thief.example") == 200
    refused = beknown("project", "origins", "1", "javascript:alert(1)", cwd=server.folder)
    assert refused.returncode != 0
    assert "is no site" in refused.stderr
    assert beknown("project", "origins", "1", "Shop.example/", cwd=server.folder).stdout == "shop.example\n"
    assert beknown("project", "keep", "1", "395", cwd=server.folder).returncode == 0
    rotated = beknown("project", "rotate-key", "1", "--write", cwd=server.folder).stdout
    key = next(word for word in rotated.split() if word.startswith("bk_"))
    time.sleep(1.1)  # what another process changes is known after a second
    answers = {
        (one, site): send(one, f"https://{site}") for one in (KEY, key) for site in ("shop.example", "x.example")
    }
    assert [status for (_, site), status in answers.items() if site == "shop.example"] == [200, 200]
    assert [status for (_, site), status in answers.items() if site == "x.example"] == [403, 403]
    saved = beknown("backup", "copy.db", cwd=server.folder)
    assert saved.returncode == 0, saved.stderr
    copy = open_store(f"sqlite:///{server.folder}/copy.db")
    assert len(copy.recent(1)) == 3
    assert copy.projects()[0].options == {"origins": ["shop.example"], "retention_days": 395}
    copy.close()
    assert beknown("backup", "copy.db", cwd=server.folder).returncode == 2
    metrics = httpx.get(server.url + "/metrics").text
    assert 'beknown_requests_refused_total{code="origin_not_allowed"} 2.0' in metrics
    assert server.stop() == 0


def test_open_live_views_are_counted_over_the_workers(serve: Callable[..., Server]) -> None:
    server = serve("--workers", "2")

    def counted() -> str:
        found = [line for line in httpx.get(server.url + "/metrics").text.split("\n") if "live_viewers " in line]
        return found[-1].rpartition(" ")[2]

    headers = {"Authorization": f"Bearer {SECRET}"}
    with httpx.Client(timeout=10) as client:
        opened = [client.stream("GET", server.url + "/api/live", headers=headers) for _ in range(3)]
        for one in opened:
            one.__enter__()
        assert [counted() for _ in range(4)] == ["3.0"] * 4  # whichever worker answers
        for one in opened:
            one.__exit__(None, None, None)
    assert server.stop() == 0


def test_what_an_operator_reads_holds_nothing_that_visitors_sent(serve: Callable[..., Server]) -> None:
    server = serve("--log", "json")
    for path, body in (("/e/?data=ada-data", b"ada-body"), ("/api/nothing?ada-query", b""), ("/e/", b"{" * 5000)):
        httpx.post(server.url + path, content=body)
    with socket.create_connection(("127.0.0.1", server.port)) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nbad header ada-header\r\n\r\n")
        line.recv(1000)
    server.stop()
    assert "Invalid request" in server.log()  # it does say that something was wrong
    assert "ada-" not in server.log()
    assert "127.0.0.1:" not in server.log().replace(server.url, "")
