"""A private PostgreSQL for the length of a measurement: in a folder of its own, through a socket there, durable."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path


def programs() -> Path | None:
    """Give the folder of the newest PostgreSQL's programs, or None if there is none."""
    debian = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda one: float(one.parent.name), default=None)
    found = shutil.which("initdb")
    return debian or (Path(found).resolve().parent if found else None)


class Postgres:
    """A server with the settings that PostgreSQL comes with; ``fsync`` and ``synchronous_commit`` are on."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="beknown-pg-"))
        self._user = pwd.getpwnam("postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name)
        os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        self._run("initdb", "-D", "data", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        self._databases = 0
        self.start()

    @property
    def pid(self) -> int:
        """Give the number of its first process."""
        return int((self.folder / "data/postmaster.pid").read_text().partition("\n")[0])

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = f"-k {self.folder} -c listen_addresses= -c max_connections=200"
        self._run("pg_ctl", "-D", "data", "-w", "-l", "log", "-o", options, "start")

    def stop(self, how: str = "fast") -> None:
        """Stop it: ``fast`` rolls back what is under way, ``immediate`` is a crash."""
        self._run("pg_ctl", "-D", "data", "-w", "-m", how, "stop")

    def remove(self) -> None:
        """Stop it and remove its folder."""
        self.stop("immediate")
        shutil.rmtree(self.folder)

    def database(self) -> str:
        """Make an empty database and give its address."""
        self._databases += 1
        name = f"bench{self._databases}"
        self._run("createdb", "-h", str(self.folder), name)
        return f"postgresql://{self._user.pw_name}@/{name}?host={self.folder}"

    def _run(self, program: str, *arguments: str) -> None:
        folder = programs()
        assert folder is not None
        done = subprocess.run(
            [folder / program, *arguments],
            cwd=self.folder,
            user=self._user.pw_uid if os.getuid() == 0 else None,  # PostgreSQL refuses to run as root
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        if done.returncode:
            raise SystemExit(f"{program}: {done.stderr.decode()}")
