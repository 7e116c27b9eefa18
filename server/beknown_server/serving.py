"""Running the application: gunicorn, told what to do from here.

Rules:
- The database is opened in each worker, after the fork; the parent only prepares it (migrations, the first keys).
- A stop is graceful: requests in flight are answered, what waits is committed, live views are let go.
- Threads, because a request waits for its group's commit and a live view waits for events.
"""

from __future__ import annotations

import gc
import shutil
import socket
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

from . import create_app
from .errors import Misconfigured
from .expiry import Expiry
from .follow import Follower
from .forward import Forwarder, checked
from .logs import Through, begin
from .metrics import forget_process, share_between_processes
from .settings import Settings
from .site import EXTENSION, Site, now_ms
from .store import Store, open_store

GRACE_S = 10  # a stop waits this long for requests in flight
KEEPALIVE_S = 15
STUCK_S = 60  # a worker that does not come round to its loop for this long is replaced


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn with our settings and our application."""

    def __init__(self, settings: Settings, *, demo: bool) -> None:
        self._settings = settings
        self._demo = demo
        super().__init__()

    def load_config(self) -> None:
        """Tell gunicorn what to do; nothing is read from its own files or environment."""
        settings = self._settings
        choices = {
            "bind": f"{settings.host}:{settings.port}",
            "workers": settings.workers,
            "worker_class": "gthread",
            "threads": settings.threads + settings.viewers,  # started when needed
            "graceful_timeout": GRACE_S,
            "keepalive": KEEPALIVE_S,
            "timeout": STUCK_S,
            "loglevel": "warning",
            "logger_class": Through,
            "proc_name": "beknown",
            "control_socket_disable": True,  # nothing is written outside the data folder
            **self.hooks(),
        }
        for name, value in choices.items():
            self.cfg.set(name, value)

    def hooks(self) -> dict[str, Any]:
        """Give what is called when a worker has begun and when it ends."""
        return {"post_worker_init": _begin, "worker_exit": _close, "child_exit": _forget}

    def load(self) -> Flask:
        """Give the application; called in each worker, after the fork."""
        return create_app(self._settings, demo=self._demo)


def serve(settings: Settings, *, demo: bool = False) -> None:
    """Serve until told to stop."""
    if settings.forward:
        checked(settings)
    begin(settings.log)
    folder = Path(tempfile.mkdtemp(prefix="beknown-metrics-")) if settings.workers > 1 else None
    if folder is not None:
        share_between_processes(folder)
    try:
        Server(settings, demo=demo).run()
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def listening(settings: Settings) -> Settings:
    """Give the settings with a port to listen on: 0 becomes a free one. Raises Misconfigured if it is taken."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        with socket.create_server((settings.host, settings.port), family=family) as probe:
            return replace(settings, port=probe.getsockname()[1])
    except OSError as error:
        raise Misconfigured(
            f"{settings.host}:{settings.port} cannot be listened on: {error.strerror}. Choose another with --port."
        ) from None


def ready_store(settings: Settings) -> Store:
    """Give the store, brought up to date if the settings say so. Raises Misconfigured if it is not up to date."""
    store = open_store(settings.database)
    try:
        if settings.migrates():
            store.migrate()
        elif pending := store.pending_migrations():
            raise Misconfigured(
                f"the database lacks these migrations: {', '.join(pending)}. "
                "Run `beknown migrate` first, or start with --migrate."
            )
    except BaseException:
        store.close()
        raise
    return store


def _site(worker: Any) -> Site | None:
    app = worker.app.callable
    return app.extensions[EXTENSION] if app is not None else None


def _begin(worker: Any) -> None:
    # Events leave hardly any cycles, and by default the collector looks for them after every 700 objects: several times
    # in a batch, and now and then at everything there is.
    gc.set_threshold(50_000)
    site = _site(worker)
    if site is not None:
        site.is_stopping = lambda: not worker.alive
        holder = f"{socket.gethostname()} {worker.pid}"
        worker.beknown_expiry = Expiry(site, holder=holder)
        worker.beknown_expiry.start()
        worker.beknown_follower = Follower(site)
        worker.beknown_follower.start()
        if site.settings.forward:
            worker.beknown_forwarder = forwarder(site, holder=holder)
            worker.beknown_forwarder.start()


def forwarder(site: Site, *, holder: str) -> Forwarder:
    """Give what forwards this site's events as its settings say."""
    settings = site.settings
    return Forwarder(site.store, settings.collector(), settings.forward_key, holder=holder, clock=now_ms)


def _close(_: Any, worker: Any) -> None:
    site = _site(worker)
    if site is not None:
        worker.beknown_expiry.stop()
        worker.beknown_follower.stop()
        if hasattr(worker, "beknown_forwarder"):
            worker.beknown_forwarder.stop()
        site.columns.close()  # reads the store to the end of a page
        site.store.close()


def _forget(_: Any, worker: Any) -> None:
    forget_process(worker.pid)
