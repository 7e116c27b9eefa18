"""What `beknown serve` is measured beside, on the same server (gunicorn, as serving.py sets it) with the same options.

null    a Flask handler that reads the body and answers {"status": 1}: the ceiling
plain   the plain way to write it: Flask, the body's JSON, one INSERT and one commit per request
least   the least that is durable and shares commits: the plain way's table, filled by our own group commit (writer.py).
        What beknown takes beyond this is its own work: who is who, repeats, limits, warnings, numbers

python bench/peers.py null|plain|least --port N --database URL --workers N
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson
import psycopg
from beknown_server.serving import Server
from beknown_server.settings import Settings
from beknown_server.store.writer import Writer
from flask import Flask, Response, request

TABLE = """create table if not exists event (seq {serial}, uuid text not null, event text not null,
    distinct_id text not null, timestamp bigint not null, properties text not null)"""
INDEXES = ("uuid", "distinct_id", "timestamp")
COLUMNS = "uuid, event, distinct_id, timestamp, properties"
Row = tuple[Any, ...]


class Peer(Server):
    """Our server, with another application."""

    def hooks(self) -> dict[str, Any]:
        """Give none: they belong to our application."""
        return {}

    def load(self) -> Flask:
        app, take = Flask("peer"), self.taker(self._settings.database)

        @app.post("/e/")
        def receive() -> Response:
            take()
            return Response(b'{"status":1}', mimetype="application/json")

        app.get("/healthz/ready")(lambda: "ready")
        return app

    def taker(self, url: str) -> Callable[[], None]:
        """Give what takes a request; called in each worker, after the fork."""
        raise NotImplementedError


class Null(Peer):
    """The ceiling."""

    def taker(self, url: str) -> Callable[[], None]:
        def take() -> None:
            request.get_data(cache=False)

        return take


class Plain(Peer):
    """The plain way."""

    def taker(self, url: str) -> Callable[[], None]:
        mine, insert = threading.local(), insertion(url)

        def take() -> None:
            if not hasattr(mine, "database"):
                mine.database = connected(url)
            rows = [_row(event, json.dumps) for event in json.loads(request.get_data())["batch"]]
            mine.database.cursor().executemany(insert, rows)
            mine.database.commit()

        return take


class Least(Peer):
    """The least that is durable and shares commits."""

    def taker(self, url: str) -> Callable[[], None]:
        writer = Writer(lambda: Connection(url))

        def take() -> None:
            rows = [_row(event, _text) for event in orjson.loads(request.get_data())["batch"]]
            writer.run_among(Connection.insert, rows, weight=len(rows))

        return take


class Connection:
    """What the writer wants of a connection, as far as it is used here."""

    def __init__(self, url: str) -> None:
        self._database, self._insert = connected(url), insertion(url)
        self._begin = "begin immediate" if url.startswith("sqlite") else ""
        self.rollback, self.commit, self.close = self._database.rollback, self._database.commit, self._database.close

    def begin(self) -> None:
        if self._begin:
            self._database.execute(self._begin)

    def insert(self, batches: list[list[Row]]) -> list[None]:
        self._database.cursor().executemany(self._insert, [row for rows in batches for row in rows])
        return [None] * len(batches)


def _row(event: dict[str, Any], text: Callable[[Any], str]) -> Row:
    at = int(datetime.fromisoformat(event["timestamp"]).timestamp() * 1000)
    return event["uuid"], event["event"], event["distinct_id"], at, text(event["properties"])


def _text(properties: Any) -> str:
    return orjson.dumps(properties).decode()


def insertion(url: str) -> str:
    """Give the plain way's INSERT."""
    value = "%s" if url.startswith("postgres") else "?"
    return f"insert into event ({COLUMNS}) values ({', '.join([value] * 5)}) on conflict do nothing"


def connected(url: str) -> Any:
    """Give a connection that commits durably, in the mode that is best for the plain way."""
    if url.startswith("postgres"):
        return psycopg.connect(url)
    database = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=30, check_same_thread=False)
    database.execute("pragma journal_mode = wal")
    database.execute("pragma synchronous = full")
    return database


def prepare(url: str) -> None:
    """Make the plain way's table."""
    database = connected(url)
    serial = "bigserial primary key" if url.startswith("postgres") else "integer primary key"
    database.execute(TABLE.format(serial=serial))
    for column in INDEXES:
        unique = "unique" if column == "uuid" else ""
        database.execute(f"create {unique} index if not exists event_{column} on event ({column})")
    database.commit()
    database.close()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("which", choices=("null", "plain", "least"))
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--database", required=True)
    options.add_argument("--workers", type=int, default=1)
    chosen = options.parse_args()
    settings = Settings(port=chosen.port, database=chosen.database, workers=chosen.workers)
    if chosen.which != "null":
        prepare(chosen.database)
    {"null": Null, "plain": Plain, "least": Least}[chosen.which](settings, demo=False).run()


if __name__ == "__main__":
    main()
