"""The store's verbs: what the rest of the server may ask of it and tell it.

Rules:
- ``append`` returns when the events are durable, never before.
- Everything that writes goes through the writer; everything that reads has a connection of its own.
- One Store per process, made after a fork; threads share it.
- An event never holds its person: whoever reads gets the person as known now.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import orjson

from ..errors import TooBusy
from . import arrivals, events, forwarding, migrate, people, projects, sealed, warnings
from .archive import Archive
from .corrections import Corrections
from .groups import Groups
from .records import Appended, Counts, Event, Explanation, Origin, Person, PersonRef, Place, Project, Row, Warning
from .upkeep import Upkeep
from .warnings import NOBODYS
from .writer import LAST, Connection, Writer

PAGE_SIZE = 50_000_000  # characters of properties that counting reads at once, or one event's
MOST_EXAMPLE = 500  # characters of an example in a warning


class Engine(Protocol):
    """A database: sqlite.py or postgres.py."""

    @property
    def alembic_url(self) -> str: ...
    def prepare(self) -> None: ...
    def connect(self) -> Connection: ...
    def backup(self, path: Path, told: Callable[[float], None]) -> None: ...


class Store:
    """One database: projects, events, and who is who."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writer = Writer(engine.connect)
        self._readers: list[Connection] = []
        self._lock = threading.Lock()
        self.corrections = Corrections(self._writer)  # what an operator merges, undoes, splits and deletes
        self.groups = Groups(self._reader)
        self.archive = Archive(self._writer, self._reader)  # what an export holds besides the events
        self._counted: dict[tuple[int, str], dict[str, Any]] = {}
        self._remembered = projects.Remembered()
        self.write_keys = projects.WriteKeys(self._writer, self._remembered)
        self.upkeep = Upkeep(self._writer, engine.backup)
        self._closed = False

    # Life -----------------------------------------------------------------------------------------------------

    def migrate(self) -> None:
        """Bring the database up to date; make it if there is none."""
        self._engine.prepare()
        migrate.migrate(self._engine.alembic_url)

    def pending_migrations(self) -> list[str]:
        """Give the names of the migrations that the database lacks."""
        self._engine.prepare()
        return migrate.pending(self._engine.alembic_url)

    def check(self) -> None:
        """Raise if the database does not answer."""
        self._ask("alive")

    @property
    def waiting(self) -> int:
        """Give how many events wait to be committed."""
        return self._writer.waiting

    def when_committed(self, told: Callable[[float, int], None]) -> None:
        """Have ``told`` called after each commit with the seconds that it took, and how many events wait."""
        self._writer.committed = told

    def close(self) -> None:
        """Commit what waits, then close every connection."""
        with suppress(TooBusy):
            self._writer.run(self._counts(), order=LAST)
        self._closed = True
        self._writer.close()
        with self._lock:
            readers, self._readers = self._readers, []
        for reader in readers:
            reader.close()

    # Projects -------------------------------------------------------------------------------------------------

    def projects(self) -> list[Project]:
        """Give all projects, the first made first."""
        return [projects.project(row) for row in self._ask("project.all")]

    def project_by_write_key(self, key: str, *, now: int = 0) -> Project | None:
        """Give the project that a public key writes to, or None. Replaced keys that expired before ``now`` do not."""
        if (known := self._remembered.get(key)) is not None:
            return known
        rows = self._ask("project.by_write_key", key=key, now=now)
        return self._remembered.keep(key, projects.project(rows[0])) if rows else None

    def project_by_secret_key(self, key: str, *, now: int = 0) -> Project | None:
        """Give the project that a secret key opens, or None. Keys that expired before ``now`` open nothing."""
        rows = self._ask("project.by_secret_key", hash=projects.hashed(key), now=now)
        return projects.project(rows[0]) if rows else None

    def secret_hashes(self, project_id: int, now: int) -> list[bytes]:
        """Give the SHA-256 of each secret key that opens the project: what its signatures are checked with."""
        return [bytes(row["hash"]) for row in self._ask("secret_key.valid", project_id=project_id, now=now)]

    def create_project(self, name: str, write_key: str, secret_key: str, now: int) -> Project:
        """Make a project with these keys and give it."""
        return self._writer.run(lambda db: projects.create(db, name, write_key, secret_key, now))

    def rotate_key(self, project_id: int, secret_key: str, now: int, *, keep_ms: int = 0) -> None:
        """Add a secret key; the others open the project for ``keep_ms`` more."""
        self._writer.run(lambda db: projects.rotate_secret_key(db, project_id, secret_key, now, keep_ms=keep_ms))

    def add_secret_key(self, project_id: int, secret_key: str, now: int) -> None:
        """Let one more secret key open the project."""
        self._writer.run(lambda db: projects.add_secret_key(db, project_id, secret_key, now))

    def set_options(self, project_id: int, options: dict[str, Any]) -> None:
        """Replace what a project has chosen."""
        row = {"project_id": project_id, "options": orjson.dumps(options).decode()}
        self._writer.run(lambda db: db.many("project.options", [row]))
        self._remembered.forget()

    def site_secret(self) -> str:
        """Give what sessions are signed with: made once, the same for every process and after every restart."""
        return sealed.secret(self._ask, self._writer.run)

    def salt_of(self, day: str) -> str:
        """Give the salt of a day (YYYY-MM-DD), the same for every process; an earlier day's is forgotten."""
        return sealed.salt_of(self._ask, self._writer.run, day)

    # Events ---------------------------------------------------------------------------------------------------

    def append(self, project_id: int, events: Sequence[Event], now: int) -> Appended:
        """Store events once each, with all that follows from them; durable when this returns.

        Raises TooBusy when they cannot be stored now; sending them again is safe at any time.
        """
        batch = arrivals.Batch(events, now)
        return self._writer.run_among(self._append, (project_id, batch), weight=len(events) or 1, order=project_id)

    @staticmethod
    def _append(db: Connection, batches: list[tuple[int, arrivals.Batch]]) -> list[Appended]:
        return arrivals.append(db, batches[0][0], [batch for _, batch in batches])

    def recent(
        self,
        project_id: int,
        *,
        limit: int = 100,
        before: int | None = None,
        after: int | None = None,
        event: str | None = None,
        distinct_id: str | None = None,
        person_id: str | None = None,
        most_bytes: int | None = None,
        uuids: Sequence[str] | None = None,
    ) -> list[Row]:
        """Give events by arrival, newest first; with ``after``, oldest first, those with a greater ``seq``. What has
        ``most_bytes`` of properties before it is left for the next time. ``uuids``: only these, at most MOST_ITEMS."""
        of: dict[str, Any] = {"event": event, "distinct_id": distinct_id, "person_id": person_id, "uuids": uuids}
        with self._reader() as db:
            return events.recent(db, project_id, limit=limit, most_bytes=most_bytes, before=before, after=after, **of)

    def counts(self, project_id: int, since: int) -> Counts:
        """Give how many events happened since a time, and of how many persons."""
        row = self._ask("event.counts", project_id=project_id, since=since)[0]
        return Counts(row["events"], row["persons"])

    def happened(self, project_id: int, since: int, until: int) -> int:
        """Give how many events happened from a time to before another: from an index alone, where ``counts`` reads."""
        return int(self._ask("event.happened", project_id=project_id, since=since, until=until)[0]["events"])

    # Forwarding -----------------------------------------------------------------------------------------------

    def begin_forwarding(self, project_id: int, collector: str, *, since: int) -> None:
        """Let what a project receives from a time on (ms) be forwarded, unless that was said already."""
        self._writer.run(lambda db: forwarding.begin(db, project_id, collector, since=since))

    def lease(self, project_id: int, collector: str, *, holder: str, now: int, until: int) -> int | None:
        """Take or keep the task of forwarding a project; give the ``seq`` forwarded last, None if another has it."""
        return self._writer.run(
            lambda db: forwarding.lease(db, project_id, collector, holder=holder, now=now, until=until)
        )

    def forwarded(self, project_id: int, collector: str, *, holder: str, seq: int) -> None:
        """Note that the collector has every event up to ``seq``."""
        self._writer.run(lambda db: forwarding.advance(db, project_id, collector, holder=holder, seq=seq))

    # What the columnar copy reads ------------------------------------------------------------------------------

    def latest(self, project_id: int) -> tuple[int, int]:
        """Give the number of the last event that arrived, and of the last change of some id's person."""
        events = self._ask("event.latest", project_id=project_id)
        changes = self._ask("moved.latest", project_id=project_id)
        return events[0]["seq"], changes[0]["id"]

    def columns(self, project_id: int, what: str, *, after: int, limit: int) -> list[tuple[Any, ...]]:
        """Give rows of ``event``, ``distinct_id`` or ``moved`` as counting needs them, in order of arrival.

        Events are fewer than ``limit`` where their properties are large: see PAGE_SIZE.
        event: seq, timestamp, event, number of the distinct id, session, properties (JSON text).
        distinct_id: number, number of its person or None, when it was first seen.
        moved: change, number, and the same again: number (None if deleted), person, first seen.
        """
        rows = self._ask(f"{what}.columns", project_id=project_id, after=after, limit=limit, size=PAGE_SIZE)
        return [tuple(row.values()) if isinstance(row, dict) else tuple(row) for row in rows]

    def deletions(self, project_id: int, after: int) -> tuple[int, bool]:
        """Give the number of the last change, and whether an id was deleted after an earlier one."""
        row = self._ask("moved.gone", project_id=project_id, after=after)[0]
        return max(row["change"], after), bool(row["gone"])

    def person_texts(self, project_id: int, keys: list[str], *, shared: bool = False) -> Iterator[tuple[int, str, str]]:
        """Give (number of the person, key, text) for everyone who has one of these properties now.

        ``shared``: only of those of whom somebody else was told the same text, whatever its case and blanks.
        """
        with self._reader() as db:
            yield from people.texts(db, project_id, keys, shared=shared)

    def identified(self, project_id: int) -> list[int]:
        """Give the numbers of the persons who are users."""
        return [row["id"] for row in self._ask("person.identified", project_id=project_id)]

    def facts(self, project_id: int, start: int, stop: int) -> list[tuple[str, int, int, str, int]]:
        """Give (kind, x, y, rule, at) of what was said about ids, by number, from a time to before another."""
        rows = self._ask("fact.report", project_id=project_id, start=start, stop=stop)
        return [(row["kind"], row["x"], row["y"], row["rule"], row["at"]) for row in rows]

    def named(self, persons: list[int]) -> dict[int, PersonRef]:
        """Give what is shown of persons, by their numbers in the columnar copy."""
        with self._reader() as db:
            return people.refs(db, persons)

    # People ---------------------------------------------------------------------------------------------------

    def person(self, project_id: int, distinct_id_or_person_id: str) -> Person | None:
        """Give the person that an id belongs to now, or None if it was never seen."""
        with self._reader() as db:
            key = people.find(db, project_id, distinct_id_or_person_id)
            found = [] if key is None else people.persons(db, [key])
            return found[0] if found else None

    def ref(self, project_id: int, distinct_id_or_person_id: str) -> PersonRef | None:
        """Give what is shown of the person that an id belongs to now, or None if it was never seen."""
        with self._reader() as db:
            key = people.find(db, project_id, distinct_id_or_person_id)
            return None if key is None else people.refs(db, [key])[key]

    def people(
        self, project_id: int, *, search: str = "", limit: int = 50, before: Place | None = None
    ) -> list[Person]:
        """Give persons, the latest seen first: those behind a place, whom a search finds (people.wanted)."""
        with self._reader() as db:
            return people.listed(db, project_id, search=search, limit=limit, before=before)

    def explain(self, project_id: int, distinct_id: str) -> Explanation | None:
        """Give why a person is one person and what was refused, or None if the id was never seen."""
        with self._reader() as db:
            key = people.find(db, project_id, distinct_id)
            return None if key is None else people.explain(db, key)

    def origins(self, project_id: int, distinct_id: str) -> dict[str, Origin]:
        """Give whence each property of the person that an id belongs to has its value."""
        with self._reader() as db:
            key = people.find(db, project_id, distinct_id)
            return {} if key is None else people.origins(db, key)

    # Warnings -------------------------------------------------------------------------------------------------

    def warn(self, project_id: int | None, code: str, example: str, fix: str, now: int, count: int = 1) -> None:
        """Count something that was refused or mended. Written with the next group; never makes anybody wait."""
        key = (project_id or NOBODYS, code)
        with self._lock:
            row = self._counted.setdefault(
                key, {"project_id": key[0], "code": code, "count": 0, "first_seen": now, "last_seen": now}
            )
            row.update(
                example=example[:MOST_EXAMPLE].replace("\0", "\ufffd"),
                fix=fix,
                last_seen=now,
                count=row["count"] + count,
            )
            begun = row["count"] == count
        if begun:
            self._writer.later(self._counts())

    def warnings(self, project_id: int) -> list[Warning]:
        """Give what was counted for a project, and for no project at all; the latest first."""
        with suppress(TooBusy):  # what was counted just now is missing then
            self._writer.run(self._counts(), order=LAST)
        return [
            Warning(row["code"], int(row["count"]), row["example"], row["fix"], row["first_seen"], row["last_seen"])
            for row in self._ask("warning.all", project_id=project_id)
        ]

    def warned(self, project_id: int) -> int:
        """Give how often something was refused or doubted so far; what was counted a moment ago may be missing."""
        return int(self._ask("warning.total", project_id=project_id)[0]["count"])

    def _counts(self) -> Callable[[Connection], None]:
        taken: list[dict[str, Any]] = []

        def work(db: Connection) -> None:
            with self._lock:
                taken.extend(self._counted[key] for key in sorted(self._counted))
                self._counted = {}
            warnings.count(db, taken)  # all of it again, if the first try was rolled back

        return work

    # Reading --------------------------------------------------------------------------------------------------

    def _ask(self, name: str, **values: Any) -> list[Any]:
        with self._reader() as db:
            return db.all(name, **values)

    @contextmanager
    def _reader(self) -> Iterator[Connection]:
        with self._lock:
            reader = self._readers.pop() if self._readers else None
        reader = reader or self._engine.connect()
        try:
            yield reader
        except BaseException:
            reader.close()  # whatever state it is in, nobody else shall have it
            raise
        with self._lock:
            if not self._closed:
                self._readers.append(reader)
                return
        reader.close()
