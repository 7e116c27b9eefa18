"""Real parts: a store in a real file, the application on it, and the server as the process that people run."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest
from beknown.ids import RANDOM_BYTES, uuid7
from beknown_server import Settings, create_app
from beknown_server.store import Event, Project, Store, open_store
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, Phase, settings

from ..ports import free_port

KEY, SECRET = "bk_tests", "bks_tests_secret"
NOW = 1_795_000_000_000  # some day in 2026
BOTH_ENGINES = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
# A counter-example is worth minutes; explaining it would tell its delivery over and over.
SHRINKING = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)
COMMAND = [sys.executable, "-m", "beknown_server"]


def missing(program: str) -> NoReturn:
    """Skip for want of a program, and say so at the end; fail in CI, which installs them all (.ci/run)."""
    reason = f"{program} is not installed, so this was not tested"
    if os.environ.get("SKIP_NO_TEST"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    if not Postgres.programs():
        missing("PostgreSQL")
    server = Postgres()
    yield server
    server.stop()


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database: SQLite's, or of the engine that BOTH_ENGINES asks for."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return f"sqlite:///{tmp_path}/beknown.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def either_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a database that a file's tests share: once SQLite's, once PostgreSQL's."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('shared')}/beknown.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    store = open_store(database)
    store.migrate()
    yield store
    store.close()


@pytest.fixture
def project(store: Store) -> Project:
    return store.create_project("Tests", KEY, SECRET, NOW)


@pytest.fixture
def app(store: Store, project: Project, database: str) -> Flask:
    return create_app(Settings(database=database), store=store)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


_numbers = itertools.count()


def uuid_of(at: int = NOW) -> str:
    """Give a fresh uuid."""
    return uuid7(at, next(_numbers).to_bytes(RANDOM_BYTES, "big"))


def event(name: str, distinct_id: str, at: int = NOW, **more: Any) -> Event:
    """Give an event for the store."""
    more.setdefault("properties", {})
    return Event(more.pop("uuid", None) or uuid_of(at), name, distinct_id, at, **more)


class Postgres:
    """A private PostgreSQL in a folder of its own, reached through a socket there; no port, no password."""

    @staticmethod
    def programs() -> Path | None:
        """Give the folder of the newest PostgreSQL's programs, or None."""
        debian = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda one: float(one.parent.name), default=None)
        found = shutil.which("initdb")
        return debian or (Path(found).resolve().parent if found else None)

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="beknown-pg-"))
        self.user = pwd.getpwnam("postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name)
        os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        self.run("initdb", "-D", "data", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        options = f"-k {self.folder} -c listen_addresses= -c fsync=off -c max_connections=200"
        self.run("pg_ctl", "-D", "data", "-w", "-l", "log", "-o", options, "start")
        self.numbers = itertools.count()

    def run(self, program: str, *arguments: str) -> None:
        folder = self.programs()
        assert folder is not None
        done = subprocess.run(
            [folder / program, *arguments],
            cwd=self.folder,
            user=self.user.pw_uid if os.getuid() == 0 else None,  # PostgreSQL refuses to run as root
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        assert done.returncode == 0, done.stderr.decode()

    def new_database(self) -> str:
        name = f"tests{next(self.numbers)}"
        self.run("createdb", "-h", str(self.folder), name)
        return f"postgresql://{self.user.pw_name}@/{name}?host={self.folder}"

    def stop(self) -> None:
        self.run("pg_ctl", "-D", "data", "-m", "immediate", "stop")
        shutil.rmtree(self.folder)


class Server:
    """A ``beknown serve`` process on a free port, with its own folder for data."""

    def __init__(self, folder: Path, *options: str, database: str | None = None) -> None:
        self.folder = folder
        self.options = options
        self.database = database or f"sqlite:///{folder}/beknown.db"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {**os.environ, "BEKNOWN_KEY": KEY, "BEKNOWN_SECRET_KEY": SECRET, "TMPDIR": str(self.folder)}
        arguments = [*COMMAND, "serve", "--port", str(self.port), "--database", self.database, *self.options]
        with (self.folder / "server.log").open("ab") as log:
            # A session of its own, so that a kill takes parent and workers alike.
            self.process = subprocess.Popen(
                arguments, env=environment, stdout=log, stderr=log, start_new_session=True, cwd=self.folder
            )
        self.wait()

    def wait(self) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            assert self.process is not None
            assert self.process.poll() is None, self.log()
            try:
                if httpx.get(self.url + "/healthz/ready").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError(f"the server did not become ready; it says: {self.log()}")

    def log(self) -> str:
        return (self.folder / "server.log").read_text()

    def kill(self) -> None:
        """End it as a power cut would: no signal handler runs."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """End it as an operator would, and give its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(timeout=20)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def start(*options: str, **more: Any) -> Server:
        server = Server(tmp_path, *options, **more)
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        if server.process is not None and server.process.poll() is None:
            server.kill()
