"""What can be set, in one table: it feeds the code, the environment (``BEKNOWN_<OPTION>``) and the command line.

Rules:
- A setting is in the table or does not exist. Its type is the type of its default.
- Precedence: command line, then environment, then default.
- Frozen, and secrets do not show in ``repr``: settings may be logged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import urlsplit

from .errors import Misconfigured

PREFIX = "BEKNOWN_"


@dataclass(frozen=True, slots=True)
class Option:
    """One setting: its name, its default (which also gives its type), what it does."""

    name: str
    default: str | int | bool
    help: str
    secret: bool = False

    @property
    def variable(self) -> str:
        """Give the name of its environment variable."""
        return PREFIX + self.name.upper()


OPTIONS = (
    Option("host", "127.0.0.1", "Address to listen on."),
    Option("port", 8000, "Port to listen on; 0 takes a free one."),
    Option("database", "sqlite:///beknown.db", "sqlite:///file or postgresql://user:password@host/name.", secret=True),
    Option("workers", 1, "Server processes. One takes some thousand events a second; the live view works with any."),
    Option("threads", 16, "Threads per process, for events and pages."),
    Option("viewers", 256, "Live views that may be open per process; each keeps a thread more."),
    Option("migrate", "auto", "Bring the database up to date at start: yes, no, or auto (yes for SQLite)."),
    Option("key", "", "Write key of the first project (bk_...). Public: it stands in the page."),
    Option("secret_key", "", "Secret key of the first project (bks_...). Opens its data.", secret=True),
    Option("proxies", 0, "Reverse proxies in front whose X-Forwarded-* headers are to be believed."),
    Option("rate_per_key", 0, "Requests a minute that one write key may send to one worker; 0: any number."),
    Option("rate_per_address", 0, "Requests a minute that one address may send to one worker; 0: any number."),
    Option("log", "text", "How the log is written: text, or json (one object a line)."),
    Option("columns", "", "Folder of the columnar copy that counting reads, a cache. Default: beside the SQLite file."),
    Option("forward", "", "Address of another PostHog-compatible collector that gets every event from now on, too."),
    Option("forward_key", "", "Project key at that collector. Default: each project's own write key."),
    Option("url", "", "Address that browsers reach this server at, for the snippet. Default: http://host:port."),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that was set. See OPTIONS for what each means."""

    host: str = "127.0.0.1"
    port: int = 8000
    database: str = field(default="sqlite:///beknown.db", repr=False)  # may hold a password
    workers: int = 1
    threads: int = 16
    viewers: int = 256
    migrate: str = "auto"
    key: str = ""
    secret_key: str = field(default="", repr=False)
    proxies: int = 0
    rate_per_key: int = 0
    rate_per_address: int = 0
    log: str = "text"
    columns: str = ""
    forward: str = ""
    forward_key: str = ""
    url: str = ""

    def migrates(self) -> bool:
        """Tell whether the server brings its database up to date itself when it starts."""
        return self.migrate == "yes" or (self.migrate == "auto" and self.database.startswith("sqlite:"))

    def columns_folder(self) -> str:
        """Give the folder of the columnar copy."""
        if not self.columns and self.database.startswith("sqlite:///"):
            return self.database.removeprefix("sqlite:///") + "-columns"
        return self.columns or "beknown-columns"

    def collector(self) -> str:
        """Give the address that events go on to, as the cursors in the store name it; empty if they stay here."""
        return self.forward.rstrip("/")

    def prefix(self) -> str:
        """Give the path that browsers reach this server under: ``/t``, or nothing."""
        return urlsplit(self.url).path.rstrip("/")

    def public_url(self) -> str:
        """Give the address that browsers reach this server at, without a slash at the end."""
        return (self.url or f"http://{self.host}:{self.port}").rstrip("/")


def read_settings(environment: Mapping[str, str], **given: Any) -> Settings:
    """Give the settings of an environment; ``given`` (those that are not None) go before it.

    Raises Misconfigured for a value that is not of its option's type, and for a key of the wrong kind.
    """
    values: dict[str, Any] = {}
    for option in OPTIONS:
        text = environment.get(option.variable)
        if given.get(option.name) is not None:
            values[option.name] = given[option.name]
        elif text is not None:
            values[option.name] = _typed(option, text)
    return _checked(Settings(**values))


def _typed(option: Option, text: str) -> str | int:
    if not isinstance(option.default, int):
        return text.strip()
    try:
        return int(text)
    except ValueError:
        raise Misconfigured(f"{option.variable}={text!r} is not a whole number. {option.help}") from None


def _checked(settings: Settings) -> Settings:
    if settings.log not in ("text", "json"):
        raise Misconfigured(f"log is {settings.log!r}; it can be text or json.")
    if settings.migrate not in ("auto", "yes", "no"):
        raise Misconfigured(f"migrate is {settings.migrate!r}; it can be yes, no or auto.")
    if settings.key.startswith(("bks_", "phx_")):
        raise Misconfigured("the write key is a secret one. It stands in public pages: pass a key that opens nothing.")
    if settings.secret_key and settings.secret_key == settings.key:
        raise Misconfigured("write key and secret key are the same. The write key is public, so both would be.")
    if settings.workers < 1 or settings.threads < 1 or settings.viewers < 1:
        raise Misconfigured("workers, threads and viewers must be 1 or more.")
    return settings


if {option.name for option in OPTIONS} != {one.name for one in fields(Settings)}:  # two lists, one truth
    raise AssertionError("OPTIONS and Settings differ")
