"""What is counted for Prometheus.

Rules:
- Each application counts in a registry of its own. With several worker processes (``PROMETHEUS_MULTIPROC_DIR`` is
  set by ``beknown serve``) the answer is the sum over all of them.
- No project, id or address is a label: labels are for a handful of values.
"""

from __future__ import annotations

import os
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class Metrics:
    """The counters of one application."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._accepted = Counter("beknown_events_accepted", "Events that could be used", registry=self._registry)
        self._skipped = Counter("beknown_events_skipped", "Events left out", ["reason"], registry=self._registry)
        self._stored = Counter("beknown_events_stored", "Events stored for the first time", registry=self._registry)
        self._repeated = Counter("beknown_events_repeated", "Events stored before", registry=self._registry)
        self._refused = Counter("beknown_requests_refused", "Requests refused", ["code"], registry=self._registry)
        self._commit = Histogram(
            "beknown_commit_seconds", "Time of one commit", buckets=SECONDS, registry=self._registry
        )
        self._viewers = Gauge(
            "beknown_live_viewers", "Open live views", registry=self._registry, multiprocess_mode="livesum"
        )
        self._queue = Gauge(
            "beknown_queue_length",
            "Events that wait for a commit",
            registry=self._registry,
            multiprocess_mode="livesum",
        )

    def taken(self, *, accepted: int, stored: int, repeated: int) -> None:
        """Count the events of one request."""
        self._accepted.inc(accepted)
        self._stored.inc(stored)
        if repeated:
            self._repeated.inc(repeated)

    def skipped(self, reason: str, count: int = 1) -> None:
        """Count events that were left out."""
        self._skipped.labels(reason).inc(count)

    def refused(self, code: str) -> None:
        """Count one request that was refused."""
        self._refused.labels(code).inc()

    def committed(self, seconds: float, waiting: int) -> None:
        """Count one commit, and note how many events wait for the next."""
        self._commit.observe(seconds)
        self._queue.set(waiting)

    def watching(self, more: int) -> None:
        """Count so many live views more (or less)."""
        self._viewers.inc(more)

    def written(self, *, waiting: int) -> bytes:
        """Give everything in Prometheus's text format."""
        self._queue.set(waiting)
        if MULTIPROCESS not in os.environ:
            return generate_latest(self._registry)
        everybody = CollectorRegistry()
        MultiProcessCollector(everybody)  # type: ignore[no-untyped-call]
        return generate_latest(everybody)


def share_between_processes(folder: Path) -> None:
    """Have every process that is forked from here keep its numbers in files of this folder."""
    os.environ[MULTIPROCESS] = str(folder)
    # The library chose when it was imported, which was before.
    values.ValueClass = values.get_value_class()  # type: ignore[no-untyped-call]


def forget_process(pid: int) -> None:
    """Drop the gauges of a process that has ended; its counters stay in the sum."""
    if MULTIPROCESS in os.environ:
        mark_process_dead(pid)  # type: ignore[no-untyped-call]
