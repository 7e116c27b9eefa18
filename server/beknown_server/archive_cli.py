"""``beknown export`` and ``beknown import``: everything out of a project, and back in, with a progress bar.

Rules:
- An export that broke off goes on where it stopped: beside the file lies ``<file>.progress`` until it is whole. It
  says of what project and in which format, so that one file never holds two.
- An import that broke off is begun again: what is there already is recognised.
- An import reads its file twice, all but the events first: a link that was undone is there, undone, before the event
  comes that says it. So it need not ask which links are its own to undo.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import click
import orjson

from . import archive
from .archive import Found, Reader, Record
from .command import Opened, project_id_of, project_option, settings_options
from .errors import Misconfigured
from .site import now_ms
from .store import Store

PAGE = 1000  # records written, lines read at once
START: Record = {"section": "forgotten", "number": 0, "bytes": 0}


@click.command("export")
@click.option("--format", "form", type=click.Choice(["ndjson", "csv"]), default="ndjson", help="Default: ndjson.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write. Default: the terminal.")
@project_option
@settings_options("database")
def export_command(form: str, output: Path | None, project_id: int | None, **given: Any) -> None:
    """Write everything: events, ids with what was set on them, links and undos, groups. The same again resumes it."""
    with Opened(given) as store:
        wanted = project_id_of(store, project_id)
        if output is None:
            target = Target(sys.stdout.buffer, form)
            for _, _, records in sections(store, wanted, START):
                target.write(records)
            return
        progress = output.with_name(output.name + ".progress")
        if output.exists() and not progress.exists():
            raise Misconfigured(f"{output} exists already. Remove it, or choose another file with --output.")
        about: Record = {"format": form, "project": wanted}
        start = orjson.loads(progress.read_bytes()) if progress.exists() else {**START, **about}
        if any(start.get(name) != value for name, value in about.items()):
            raise Misconfigured(
                f"{output} was begun as {start.get('format')} of project {start.get('project')}. "
                f"Ask for the same to go on with it, or remove it and {progress.name} to begin anew."
            )
        last = store.latest(wanted)[0]
        with output.open("ab") as file, click.progressbar(length=last, label="Export", file=sys.stderr) as bar:
            file.truncate(start["bytes"])
            file.seek(start["bytes"])
            target = Target(file, form, fresh=not start["bytes"])
            for section, number, records in sections(store, wanted, start):
                target.write(records)
                file.flush()
                os.fsync(file.fileno())
                keep(progress, {**about, "section": section, "number": number, "bytes": file.tell()})
                if section == "event":
                    bar.update(max(number - bar.pos, 0))
            bar.update(last - bar.pos)
        progress.unlink(missing_ok=True)


def keep(progress: Path, state: Record) -> None:
    """Note how far it is, whole or not at all."""
    unfinished = progress.with_name(progress.name + ".new")
    unfinished.write_bytes(orjson.dumps(state))
    unfinished.replace(progress)


def sections(store: Store, project_id: int, start: Record) -> Iterator[tuple[str, int, list[Record]]]:
    """Give all records after a start, page by page, with the section and number that each page ends at."""
    kept, begun = store.archive, False
    for section in ("forgotten", "event", "id", "fact", "group"):
        begun = begun or section == start["section"]
        if not begun:
            continue
        after = start["number"] if section == start["section"] else 0
        if section == "forgotten":
            yield section, 0, [archive.forgotten_record(*one) for one in kept.forgotten(project_id)]
        if section == "group":
            yield section, 0, [archive.group_record(one) for one in store.groups.known(project_id, limit=2**31)]
        while section in PAGES:
            records = PAGES[section](store, project_id, after)
            if not records:
                break
            after = records[-1]["number"]
            yield section, after, records


def _events(store: Store, project_id: int, after: int) -> list[Record]:
    rows = store.recent(project_id, after=after, limit=PAGE)
    facts = store.archive.facts_of(project_id, [row.uuid for row in rows])
    return [archive.event_record(row, facts.get(row.uuid)) for row in rows]


def _ids(store: Store, project_id: int, after: int) -> list[Record]:
    return [archive.id_record(one) for one in store.archive.ids(project_id, after=after, limit=PAGE)]


def _facts(store: Store, project_id: int, after: int) -> list[Record]:
    return [archive.fact_record(one) for one in store.archive.facts(project_id, after=after, limit=PAGE)]


PAGES = {"event": _events, "id": _ids, "fact": _facts}


class Target:
    """Where records are written, in one of the two formats."""

    def __init__(self, file: BinaryIO, form: str, *, fresh: bool = True) -> None:
        self._file = file
        self._form = form
        self._fresh = fresh

    def write(self, records: list[Record]) -> None:
        """Write a page of records; a CSV file begins with its header."""
        if self._form == "ndjson":
            self._file.writelines(orjson.dumps(record) + b"\n" for record in records)
            return
        text = io.StringIO()
        rows = csv.DictWriter(text, archive.CSV, lineterminator="\n")
        if self._fresh:
            rows.writeheader()
            self._fresh = False
        rows.writerows(archive.csv_row(record) for record in records)
        self._file.write(text.getvalue().encode())


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@project_option
@settings_options("database")
def import_command(file: Path, project_id: int | None, **given: Any) -> None:
    """Read an export of ours, one of PostHog's (events, persons; ndjson, JSON or CSV), or a list of events or batches.

    You vouch for what is in FILE: its claims need no signature. Reading a file twice changes nothing.
    """
    now, counted, skipped = now_ms(), Counter[str](), Counter[str]()
    with Opened(given) as store, file.open("rb") as raw:
        wanted = project_id_of(store, project_id)
        size = file.stat().st_size
        with click.progressbar(length=2 * size, label="Import", file=sys.stderr) as bar:
            for reader in (Reader(now, events=False), Reader(now, events=True)):
                for page in pages(raw, reader):
                    counted += store_found(store, wanted, page)
                    skipped += page.skipped
                    bar.update(max(raw.tell() + size * reader.events - bar.pos, 0))
            bar.update(2 * size - bar.pos)
    click.echo(
        f"{counted['stored']} events stored, {counted['repeated']} were there, {counted['forgotten']} forgotten."
    )
    for why, count in skipped.most_common():
        click.echo(f"{count} skipped: {why}.", err=True)


def pages(raw: BinaryIO, reader: Reader) -> Iterator[Found]:
    """Give what a reader takes of a file, page by page."""
    raw.seek(0)
    page = Found()
    for number, line in enumerate(lines(raw)):
        try:
            page.add(reader.read(orjson.loads(line) if isinstance(line, bytes) else line, str(number)))
        except orjson.JSONDecodeError as reason:
            page.skipped[str(reason)] += reader.events  # of the two readers, one says so
        if page.size >= PAGE:
            yield page
            page = Found()
    yield page


def store_found(store: Store, project_id: int, found: Found) -> Counter[str]:
    """Put what was read into the store; give how many events were stored, were there, were not to be stored."""
    store.archive.put_back(project_id, ids=found.ids, facts=found.facts, forgotten=found.forgotten)
    appended = store.append(project_id, found.events, now_ms())
    return Counter(stored=appended.stored, repeated=appended.repeated, forgotten=len(appended.forgotten))


def lines(raw: BinaryIO) -> Iterator[bytes | Record]:
    """Give what a file holds: lines of JSON (or one document), or the rows of a CSV; gzipped or not."""
    zipped = raw.read(2) == b"\x1f\x8b"
    raw.seek(0)
    file: Any = gzip.GzipFile(fileobj=raw) if zipped else raw
    first = file.readline()
    file.seek(0)
    if first.lstrip()[:1] not in (b"{", b"["):
        csv.field_size_limit(2**31 - 1)
        text = io.TextIOWrapper(file, "utf-8-sig", newline="")
        yield from csv.DictReader(text)
        text.detach()  # the file is closed by whoever opened it
    elif is_json(first):
        yield from (line for line in file if line.strip())
    else:
        yield file.read()  # one document over several lines


def is_json(text: bytes) -> bool:
    """Tell whether a text is one whole JSON value."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True
