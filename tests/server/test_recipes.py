"""The recipes of docs/operating.md, as they stand there, in the real nginx and the real Caddy."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from ..ports import free_port
from .conftest import KEY, SECRET, Server, missing, uuid_of

ROOT = Path(__file__).parents[2]
OPERATING = (ROOT / "docs/operating.md").read_text()
MOST = 40  # requests a minute that one address may send in these tests


def recipe(language: str) -> str:
    """Give the text of the documents' one block in a language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", OPERATING, re.DOTALL)
    return str(found)


def of_nginx(folder: Path, port: int, behind: int) -> list[str]:
    """Write the configuration around the recipe; give the command."""
    me = pwd.getpwuid(os.getuid()).pw_name
    kept = "".join(
        f"{what}_temp_path {folder}/{what};\n" for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    location = recipe("nginx").replace("127.0.0.1:8000", f"127.0.0.1:{behind}")
    (folder / "nginx.conf").write_text(
        f"{f'user {me};' if os.getuid() == 0 else ''} pid {folder}/pid; error_log {folder}/log; daemon off;\n"
        f"events {{}}\nhttp {{ access_log off;\n{kept} server {{ listen 127.0.0.1:{port};\n{location} }} }}\n"
    )
    return ["nginx", "-e", f"{folder}/log", "-c", f"{folder}/nginx.conf"]


def of_caddy(folder: Path, port: int, behind: int) -> list[str]:
    """The same for Caddy, without its certificates: they are had from elsewhere."""
    site = recipe("caddy").replace("127.0.0.1:8000", f"127.0.0.1:{behind}")
    site = site.replace("example.com", f"http://127.0.0.1:{port}")
    (folder / "Caddyfile").write_text(f"{{\n    admin off\n}}\n{site}")
    return ["caddy", "run", "--config", f"{folder}/Caddyfile"]


@contextmanager
def proxy(command: Callable[[Path, int, int], list[str]], folder: Path, behind: int) -> Iterator[str]:
    """Run it in front of a server; give its address."""
    port = free_port()
    homes = {name: str(folder) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
    with (folder / "proxy.log").open("wb") as log:
        process = subprocess.Popen(command(folder, port, behind), stdout=log, stderr=log, env=os.environ | homes)
    try:
        for _ in range(400):
            assert process.poll() is None, (folder / "proxy.log").read_text()
            with socket.socket() as attempt:
                if attempt.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.parametrize("name", ["nginx", "caddy"])
def test_a_recipe_serves_us_on_the_sites_own_domain(serve: Callable[..., Server], tmp_path: Path, name: str) -> None:
    if shutil.which(name) is None:
        missing(name)
    server = serve("--url", "https://example.com/t", "--proxies", "1", "--rate-per-address", str(MOST))
    command = {"nginx": of_nginx, "caddy": of_caddy}[name]
    with proxy(command, tmp_path, server.port) as site, httpx.Client(base_url=site, timeout=30) as client:
        assert client.get("/t/beknown.js").headers["Content-Type"].startswith("text/javascript")
        _sees_at_once_what_happens(client)
        large = [one_event(text="x" * 30_000) for _ in range(100)]
        assert client.post("/t/batch/", json={"api_key": KEY, "batch": large}).json() == {"status": 1}
        turned_away = client.get("/t/live")
        assert turned_away.headers["Location"] == "/t/login?next=/t/live"
        _knows_who_asks(client)


def one_event(**properties: str) -> dict[str, object]:
    """Give an event as a client sends it."""
    return {"event": "x", "distinct_id": "ada", "uuid": uuid_of(), "properties": properties}


def _sees_at_once_what_happens(client: httpx.Client) -> None:
    """The live view is a stream: what is kept back until there is more of it comes too late."""
    with client.stream("GET", "/t/api/live", headers={"Authorization": f"Bearer {SECRET}"}) as live:
        lines = live.iter_lines()
        next(lines)
        sent = one_event()
        assert client.post("/t/e/", json={"api_key": KEY, **sent}).json() == {"status": 1}
        assert any(str(sent["uuid"]) in line for line in lines)  # raises a time-out if nothing comes


def _knows_who_asks(client: httpx.Client) -> None:
    """An address counts as one whatever it says of itself; another's is not what the proxy passes on."""
    answers = [
        client.post("/t/e/", json={"api_key": KEY, **one_event()}, headers={"X-Forwarded-For": f"192.0.2.{number}"})
        for number in range(MOST)
    ]
    assert answers[-1].status_code == 429


def test_without_a_program_its_tests_are_skipped_and_fail_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "export SKIP_NO_TEST=1" in (ROOT / ".ci/run").read_text()
    monkeypatch.delenv("SKIP_NO_TEST", raising=False)
    with pytest.raises(pytest.skip.Exception, match="PostgreSQL is not installed"):
        missing("PostgreSQL")
    monkeypatch.setenv("SKIP_NO_TEST", "1")
    with pytest.raises(pytest.fail.Exception, match="PostgreSQL is not installed"):
        missing("PostgreSQL")
