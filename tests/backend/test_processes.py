"""Programs that fork, end, and are killed: what they had accepted arrives."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest
from beknown import channel
from beknown.backend import Client

from ..ports import free_port
from .conftest import KEY, Recorder, until

PREAMBLE = """
import os, sys, time
from beknown.backend import Client
client = Client("bk_tests", sys.argv[1], spool=sys.argv[2] if len(sys.argv) > 2 else None, exit_timeout=4.0)
"""


def program(source: str) -> str:
    return PREAMBLE + textwrap.dedent(source)


def run(source: str, recorder: Recorder, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program(source), recorder.url, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30)


def names(recorder: Recorder) -> Counter[str]:
    """Give how many events of each name there are, each uuid once, as collectors store them."""
    return Counter({event["uuid"]: event["event"] for event in recorder.events}.values())


def test_a_program_that_simply_ends_has_delivered(recorder: Recorder) -> None:
    done = run('for number in range(250): client.capture("u", "x")', recorder)
    assert (done.returncode, done.stderr) == (0, "")
    assert names(recorder) == {"x": 250}


def test_a_program_ends_in_bounded_time_however_the_collector_hangs(recorder: Recorder) -> None:
    recorder.hangs.set()
    began = time.monotonic()
    done = run('client.capture("u", "x")', recorder)
    assert done.returncode == 0
    assert "1 event(s) could not be delivered" in done.stderr
    assert time.monotonic() - began < 15  # seconds; it hangs for 20


ASYNC = """
    import asyncio, logging
    from beknown.backend import AsyncClient
    logging.basicConfig(level=logging.ERROR, format="%(message)s")
    client = AsyncClient("bk_tests", sys.argv[1], exit_timeout=4.0, flush_interval=0.05, retry_wait=0.1)
    async def capture(name, seconds=0.0):
        client.capture("u", name)
        await asyncio.sleep(seconds)
"""


def test_an_async_client_that_nobody_closed_has_delivered(recorder: Recorder) -> None:
    done = run(ASYNC + '    asyncio.run(capture("x")); asyncio.run(capture("y"))', recorder)
    assert done.returncode == 0
    assert "could not be delivered" not in done.stderr
    assert names(recorder) == {"x": 1, "y": 1}


def test_an_async_client_ends_in_bounded_time_too_and_says_what_is_lost(recorder: Recorder) -> None:
    recorder.hangs.set()
    began = time.monotonic()
    done = run(ASYNC + '    asyncio.run(capture("x", 0.2))', recorder)
    assert done.returncode == 0
    assert "1 event(s) could not be delivered" in done.stderr
    assert time.monotonic() - began < 15  # seconds; it hangs for 20


def test_an_async_client_goes_on_in_the_next_loop_whatever_the_last_one_left(recorder: Recorder) -> None:
    source = """
    asyncio.run(capture("first", 0.3))
    asyncio.run(capture("second", 0.3))
    print(len(client._delivery))
    client.host = "http://127.0.0.1:9"  # nobody there: the loop ends while it waits
    asyncio.run(capture("third", 0.05))
    client.host = sys.argv[1]
    async def flush(): print(await client.flush())
    asyncio.run(flush())
    """
    done = run(ASYNC + source, recorder)
    assert done.stdout.split() == ["0", "True"]
    assert names(recorder) == {"first": 1, "second": 1, "third": 1}


def test_children_of_a_fork_send_their_own_and_the_parent_sends_its_own(recorder: Recorder) -> None:
    source = """
        for number in range(30): client.capture("u", "parent")
        children = []
        for _ in range(3):
            child = os.fork()
            if not child:
                for number in range(30): client.capture("u", "child")
                sys.exit(0)
            children.append(child)
        for child in children: os.waitpid(child, 0)
        client.capture("u", "parent")
    """
    done = run(source, recorder)
    assert (done.returncode, done.stderr) == (0, "")
    assert names(recorder) == {"parent": 31, "child": 90}
    assert len({event["uuid"] for event in recorder.events}) == 121


CERTIFICATE = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1 "
    "-addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out certificate.pem"
)


def test_children_of_a_fork_send_over_https_too(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(CERTIFICATE.split(), cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    recorder.socket = context.wrap_socket(recorder.socket, server_side=True)
    recorder.url = recorder.url.replace("http:", "https:")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    source = """
        client.capture("u", "parent")
        for _ in range(3):
            if not os.fork():
                client.capture("u", "child")
                sys.exit(0)
        for _ in range(3): os.wait()
    """
    done = run(source, recorder)
    assert (done.returncode, done.stderr) == (0, "")
    assert names(recorder) == {"parent": 1, "child": 3}


def test_a_fork_waits_while_certificates_are_loaded(recorder: Recorder) -> None:
    """OpenSSL's locks are held then, and a child would wait for them for ever: in one of some hundred forks."""
    source = """
        import ssl, threading
        load, is_loading = ssl.create_default_context, threading.Event()
        def slow(**options):
            is_loading.set()
            time.sleep(0.5)
            context = load(**options)
            is_loading.clear()
            return context
        ssl.create_default_context = slow
        client.host = "https://127.0.0.1:9"
        client.capture("u", "x")
        is_loading.wait()
        if not os.fork():
            print(is_loading.is_set(), flush=True)
            os._exit(0)
        os.wait()
        os._exit(0)
    """
    assert run(source, recorder).stdout == "False\n"


def test_children_of_a_fork_have_spools_of_their_own(recorder: Recorder, tmp_path: Path) -> None:
    recorder.hangs.set()
    source = """
        client.capture("u", "parent")
        for name in ("one", "two"):
            if not os.fork():
                client.capture("u", name)
                os.kill(os.getpid(), 9)
        os.wait(), os.wait()
        os.kill(os.getpid(), 9)
    """
    assert run(source, recorder, str(tmp_path)).returncode == -signal.SIGKILL
    recorder.hangs.clear()
    recorder.goes_on.set()
    with Client(KEY, recorder.url, spool=tmp_path) as client:
        assert client.flush()
        assert client.flush()  # what was taken over from the others meanwhile
    assert names(recorder) == {"parent": 1, "one": 1, "two": 1}


def test_a_child_that_closed_all_files_begins_afresh_all_the_same(recorder: Recorder, tmp_path: Path) -> None:
    source = """
        client.capture("u", "parent")
        client.flush()
        os.close(client._disk._file)  # as the child of a daemon finds it
        if not os.fork():
            print(client.capture("u", "child") is not None, client.flush(), flush=True)
            os._exit(0)
        os.wait()
        os._exit(0)
    """
    done = run(source, recorder, str(tmp_path))
    assert (done.stdout.split(), done.stderr) == (["True", "True"], "")
    assert names(recorder) == {"parent": 1, "child": 1}


def test_a_killed_programs_events_are_delivered_by_its_next_start(recorder: Recorder, tmp_path: Path) -> None:
    recorder.hangs.set()
    source = """
        for number in range(500): print(client.capture("u", "x"), flush=True)
        os.kill(os.getpid(), 9)
    """
    done = run(source, recorder, str(tmp_path))
    accepted = done.stdout.split()
    assert len(accepted) == 500
    recorder.hangs.clear()
    recorder.goes_on.set()
    assert run("client.flush()", recorder, str(tmp_path)).stderr == ""
    assert {event["uuid"] for event in recorder.events} == set(accepted)
    recorder.bodies.clear()
    run("client.flush()", recorder, str(tmp_path))
    assert recorder.events == []  # and they are not sent again


def test_events_left_twice_by_an_adoption_that_was_cut_short_are_sent_once(recorder: Recorder, tmp_path: Path) -> None:
    recorder.hangs.set()
    run('for _ in range(5): client.capture("u", "x")\nos.kill(os.getpid(), 9)', recorder, str(tmp_path))
    recorder.hangs.clear()
    recorder.goes_on.set()
    [first] = tmp_path.glob("*.0.jsonl")
    second = first.with_name(first.name.replace(".0.", ".1."))
    second.write_bytes(first.read_bytes())
    second.with_suffix(".lock").touch()
    with Client(KEY, recorder.url, spool=tmp_path) as client:
        assert client.flush(timeout=5)
        assert (client._delivery.taken, client._delivery.bytes) == (5, 0)
    assert len(recorder.events) == 5
    assert (first.read_bytes(), second.read_bytes()) == (b"", b"")


def test_a_damaged_spool_is_no_reason_not_to_start(recorder: Recorder, tmp_path: Path) -> None:
    recorder.hangs.set()
    run('for _ in range(5): client.capture("u", "x")\nos.kill(os.getpid(), 9)', recorder, str(tmp_path))
    recorder.hangs.clear()
    recorder.goes_on.set()
    [spool] = tmp_path.glob("*.jsonl")
    lines = spool.read_bytes().split(b"\n")
    spool.write_bytes(b"\n".join([*lines[:2], lines[2][:9] + b"\0" * 50, *lines[3:]]))
    whole = {json.loads(line)["uuid"] for line in [*lines[:2], *lines[3:]] if line.startswith(b"{")}
    assert len(whole) == 4
    with Client(KEY, recorder.url, spool=tmp_path) as client:
        assert client.flush(timeout=5)
    # What was under way as the program died may have arrived as well.
    assert whole <= {event["uuid"] for event in recorder.events}


def test_a_busy_program_takes_over_what_others_left_too(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "LOOK_MS", 0)
    with Client(KEY, recorder.url, spool=tmp_path, flush_interval=90, flush_at=2) as client:
        client.capture("u", "first")
        assert client.flush()
        recorder.hangs.set()
        run('client.capture("u", "left")\nos.kill(os.getpid(), 9)', recorder, str(tmp_path))
        for _ in range(3):  # two go, one goes on waiting for company
            client.capture("u", "x")
        recorder.hangs.clear()
        recorder.goes_on.set()
        until(lambda: names(recorder)["left"], "the other program's event", patience=40)


def test_a_program_killed_at_any_moment_loses_nothing(recorder: Recorder, tmp_path: Path) -> None:
    accepted: list[str] = []
    source = 'while True: print(client.capture("u", "x"), flush=True)'
    for moment in (0.05, 0.2, 0.35):
        arguments = [sys.executable, "-c", program(source), recorder.url, str(tmp_path)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            accepted.append(process.stdout.readline().strip())
            time.sleep(moment)
            process.kill()
            accepted += process.stdout.read().split()
    assert run("client.flush()", recorder, str(tmp_path)).stderr == ""
    whole = {uuid for uuid in accepted if len(uuid) == 36}  # the last line may have been cut in the pipe
    assert len(whole) > 100
    assert whole <= {event["uuid"] for event in recorder.events}


def test_a_spool_that_cannot_be_written_refuses_the_event(recorder: Recorder, tmp_path: Path) -> None:
    told: list[str] = []
    with Client(KEY, recorder.url, spool=tmp_path, on_error=lambda error, _: told.append(str(error))) as client:
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, client._disk._file)
        os.close(full)
        assert client.capture("u", "x") is None
    assert "cannot be written" in told[0]


APPLICATION = """
import sys, os
sys.path.insert(0, os.path.dirname(__file__))
from flask import Flask
from beknown.backend import Client
from beknown.integrations.flask import Beknown

app = Flask(__name__)
beknown = Beknown(app, Client("bk_tests", os.environ["COLLECTOR"]))
beknown.client.capture("server", "loaded")

@app.post("/pay")
def pay():
    beknown.capture("order_paid", {"pid": os.getpid()})
    return str(os.getpid())
"""


@pytest.mark.timeout(60)
def test_gunicorn_workers_forked_from_a_loaded_application_deliver(recorder: Recorder, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(APPLICATION)
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--preload", "-w", "2", "-b", f"127.0.0.1:{port}", "shop:app"]
    environment = {**os.environ, "COLLECTOR": recorder.url}
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log)
    try:

        def pay() -> int:
            try:
                headers = {"X-Beknown-Distinct-Id": "ada", "Connection": "close"}
                answer = httpx.post(f"http://127.0.0.1:{port}/pay", headers=headers)
                return int(answer.text) if answer.status_code == 200 else 0
            except httpx.TransportError:
                return 0

        served = Counter([until(pay, "the shop to open: " + (tmp_path / "log").read_text())])

        def both_have_served() -> bool:
            served[pay()] += 1
            return len(served) > 1 and served.total() > 40

        until(both_have_served, "either worker to be asked")
    finally:
        server.terminate()
        server.wait(20)
    paid = [event for event in recorder.events if event["event"] == "order_paid"]
    assert Counter(event["properties"]["pid"] for event in paid) == served
    assert server.pid not in served
    assert {event["distinct_id"] for event in paid} == {"ada"}
    assert names(recorder)["loaded"] == 1
