"""``beknown export`` and ``beknown import``: everything out of a project, and back in, with a progress bar.

Rules:
- An export that broke off goes on where it stopped: beside the file lies ``<file>.progress`` until it is whole. It
  says of what project and in which format, so that one file never holds two.
- Who is deleted while an export runs is in it. So the tombstones are written last, and an import reads them first. And
  the end is a record too: without it nothing is imported, for those who were deleted would be back.
- An import that broke off is begun again: what is there already is recognised.
- Then it reads all but the events, and then those: a link that was undone is there, undone, before the event comes that
  says it. So it need not ask which links are its own to undo.
"""

from __future__ import annotations

import csv
import io
import os
import re
import shlex
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import click
import orjson

from . import archive
from .archive import Found, Record
from .bags import shown
from .command import Opened, project_id_of, project_of, project_option, settings_options
from .errors import Misconfigured
from .imports import Reader
from .lines import Lines, parsed
from .options import SWITCHES, chosen
from .site import now_ms
from .store import Project, Store

PAGE = 1000  # records written, lines read at once
START: Record = {"section": "project", "number": 0, "bytes": 0}
TELLING = re.compile(rb'"record": ?"(?:project|forgotten|end)"')  # without this a line is not worth reading so early
WHOLE = 1  # the number of what has no numbers, and is written in one piece


@click.command("export")
@click.option("--format", "form", type=click.Choice(["ndjson", "csv"]), default="ndjson", help="Default: ndjson.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write. Default: the terminal.")
@project_option
@settings_options("database")
def export_command(form: str, output: Path | None, project_id: int | None, **given: Any) -> None:
    """Write the project's name and options, events, ids with what was set on them, links and undos, groups, deletions.

    The same again resumes it. Not in it are keys, which are secrets, warnings, and when an event arrived.
    """
    with Opened(given) as store:
        wanted = project_id_of(store, project_id)
        if output is None:
            target = Target(sys.stdout.buffer, form)
            # On a terminal of its own: not where the records are shown, nor in a log.
            hidden = sys.stdout.isatty() or not sys.stderr.isatty()
            for _, _, records in watched(store, wanted, START, hidden=hidden):
                target.write(records)
            return
        progress = output.with_name(output.name + ".progress")
        about: Record = {"format": form, "project": wanted}
        start = begun(output, progress, about)
        keep(progress, {**start, **about})
        with output.open("ab") as file:
            file.truncate(start["bytes"])
            file.seek(start["bytes"])
            target = Target(file, form, fresh=not start["bytes"])
            for section, number, records in watched(store, wanted, start):
                target.write(records)
                file.flush()
                os.fsync(file.fileno())
                keep(progress, {**about, "section": section, "number": number, "bytes": file.tell()})
        progress.unlink(missing_ok=True)


def begun(output: Path, progress: Path, about: Record) -> Record:
    """Give where an export stopped: at its start, if what it had written is not there any more.

    Raises Misconfigured if the file is of something else.
    """
    written = output.stat().st_size if output.exists() else 0
    if not progress.exists():
        if output.exists():
            raise Misconfigured(f"{output} exists already. Remove it, or choose another file with --output.")
        return START
    start: Record = orjson.loads(progress.read_bytes())
    if any(start.get(name) != value for name, value in about.items()):
        raise Misconfigured(
            f"{output} was begun as {start.get('format')} of project {start.get('project')}. "
            f"Ask for the same to go on with it, or remove it and {progress.name} to begin anew."
        )
    return start if written >= start["bytes"] else START


def keep(progress: Path, state: Record) -> None:
    """Note how far it is, whole or not at all."""
    unfinished = progress.with_name(progress.name + ".new")
    unfinished.write_bytes(orjson.dumps(state))
    unfinished.replace(progress)


Page = tuple[str, int, list[Record]]  # section, the number that it ends at, records


def watched(store: Store, project_id: int, start: Record, *, hidden: bool = False) -> Iterator[Page]:
    """Give the pages of all sections, with a progress bar along the events, which are most of it."""
    last = store.latest(project_id)[0]
    with click.progressbar(length=last, label="Export", file=sys.stderr, hidden=hidden) as bar:
        for section, number, records in sections(store, project_id, start):
            yield section, number, records
            if section == "event":
                bar.update(max(number - bar.pos, 0))
        bar.update(last - bar.pos)


def sections(store: Store, project_id: int, start: Record) -> Iterator[Page]:
    """Give all records after a start, page by page."""
    names = list(PAGES)
    for section in names[names.index(start["section"]) :]:
        after = start["number"] if section == start["section"] else 0
        while records := PAGES[section](store, project_id, after):
            after = records[-1].get("number", WHOLE)
            yield section, after, records


def _project(store: Store, project_id: int, after: int) -> list[Record]:
    return [] if after else [archive.project_record(project_of(store, project_id))]


def _events(store: Store, project_id: int, after: int) -> list[Record]:
    rows = store.recent(project_id, after=after, limit=PAGE)
    facts = store.archive.facts_of(project_id, [row.uuid for row in rows])
    return [archive.event_record(row, facts.get(row.uuid)) for row in rows]


def _ids(store: Store, project_id: int, after: int) -> list[Record]:
    return [archive.id_record(one) for one in store.archive.ids(project_id, after=after, limit=PAGE)]


def _facts(store: Store, project_id: int, after: int) -> list[Record]:
    return [archive.fact_record(one) for one in store.archive.facts(project_id, after=after, limit=PAGE)]


def _groups(store: Store, project_id: int, after: int) -> list[Record]:
    return [] if after else [archive.group_record(one) for one in store.archive.groups(project_id)]


def _forgotten(store: Store, project_id: int, after: int) -> list[Record]:
    return [] if after else [archive.forgotten_record(*one) for one in store.archive.forgotten(project_id)]


def _end(store: Store, project_id: int, after: int) -> list[Record]:
    return [] if after else [{"record": "end"}]


# section -> what gives its records after a number, in the order in which they are written
PAGES = {
    "project": _project,
    "event": _events,
    "id": _ids,
    "fact": _facts,
    "group": _groups,
    "forgotten": _forgotten,
    "end": _end,
}


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
        # A cell is quoted that has a character of this: with "\n" alone, one with a "\r" ends its row where it is read.
        rows = csv.DictWriter(text, archive.CSV, lineterminator="\r\n")
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

    You vouch for what is in FILE: its claims need no signature. Reading a file twice changes nothing. What the project
    has chosen stays; where the export's had chosen otherwise, the last sentence says how to choose the same.
    """
    now, counted, skipped, options = now_ms(), Counter[str](), Counter[str](), Record()
    with Opened(given) as store, file.open("rb") as raw:
        wanted = project_id_of(store, project_id)
        size = file.stat().st_size
        lines = Lines(raw)
        store.archive.put_back(wanted, forgotten=tombstones(file.name, lines))
        with click.progressbar(length=2 * size, label="Import", file=sys.stderr) as bar:
            for reader in (Reader(now, events=False), Reader(now, events=True)):
                for page in pages(lines, reader):
                    counted += store_found(store, wanted, page)
                    skipped += page.skipped
                    options |= page.options
                    bar.update(max(raw.tell() + size * reader.events - bar.pos, 0))
            bar.update(2 * size - bar.pos)
        unlike = otherwise(options, project_of(store, wanted))
    click.echo(
        f"{counted['stored']} events stored, {counted['repeated']} were there, {counted['forgotten']} forgotten."
    )
    for why, count in skipped.most_common():
        click.echo(f"{count} skipped: {why}.", err=True)
    if unlike:
        click.echo(unlike + (" With the same --database." if given["database"] else ""), err=True)
    if lines.cut is not None:
        raise Misconfigured(
            f"{file} is cut off or damaged after {lines.cut:,} lines. What they say is imported; import the whole file "
            "when you have it: what is here already stays as it is."
        )


def otherwise(theirs: Record, mine: Project) -> str:
    """Say which options the project of an export had chosen otherwise, and what chooses the same; empty if none."""
    differ = {name: value for name, value in theirs.items() if value != chosen(mine.options)[name]}
    commands: list[list[Any]] = []
    flags = [one for name in differ for one in _flag(name, differ[name])]
    if flags:
        commands.append(["choose", mine.id, *flags])
    if "origins" in differ:
        commands.append(["origins", mine.id, *(differ["origins"] or ["--any"])])
    if "retention_days" in differ:
        commands.append(["keep", mine.id, differ["retention_days"] or 0])
    told = [f"`{shlex.join(['beknown', 'project', *map(str, words)])}`" for words in commands]
    return f"The export's project had chosen otherwise in {', '.join(differ)}: {', '.join(told)}." if told else ""


def _flag(name: str, value: Any) -> list[str]:
    """Give the words by which ``beknown project choose`` is told of an option, none if by another command."""
    option = name.replace("_", "-")
    if name in SWITCHES:
        return [f"--{option}" if value else f"--no-{option}"]
    return [f"--{option}", value] if name in ("timezone", "week_start") else []


def tombstones(name: str, lines: Lines) -> list[tuple[str, int]]:
    """Give what a file says of who was deleted. Wherever it says so, it holds for all of the file.

    Raises Misconfigured for an export of ours that is not whole.
    """
    reader, stones = Reader(now_ms(), events=False), []
    first, ends = "", False
    for line in lines:
        if isinstance(line, bytes) and first and not TELLING.search(line):
            continue
        with suppress(ValueError):  # which is said when it is read for the second time
            record = parsed(line) if isinstance(line, bytes) else line
            kind = str(record.get("record")) if isinstance(record, dict) else ""
            first, ends = first or kind, ends or kind == "end"
            stones += reader.read(record, "").forgotten if kind == "forgotten" else []
    if not ends and (first == "project" or (first in PAGES and lines.cut is not None)):  # older ones have no end
        raise Misconfigured(
            f"{name} is an export that is not whole: its end is missing, and with it who was deleted. Nothing was "
            "imported. The same `beknown export` as before goes on with it; or copy the whole file."
        )
    return stones


def pages(lines: Lines, reader: Reader) -> Iterator[Found]:
    """Give what a reader takes of a file, page by page."""
    page = Found()
    for number, line in enumerate(lines):
        try:
            page.add(reader.read(parsed(line) if isinstance(line, bytes) else line, str(number)))
        except ValueError as reason:
            page.skipped[str(reason)] += reader.events  # of the two readers, one says so
        if page.size >= PAGE:
            yield page
            page = Found()
    yield page


def store_found(store: Store, project_id: int, found: Found) -> Counter[str]:
    """Put what was read into the store; give how many events were stored, were there, were not to be stored.

    Groups for which it has no room are added to what was skipped.
    """
    too_many = store.archive.put_back(project_id, ids=found.ids, facts=found.facts, groups=found.groups)
    appended = store.append(project_id, found.events, now_ms())
    left_out = [group.type for group in found.groups if group.type in too_many]
    left_out += [group.type for group in appended.ungrouped]
    found.skipped.update(f"no room for groups of another type: {shown(type)}" for type in left_out)
    return Counter(stored=appended.stored, repeated=appended.repeated, forgotten=len(appended.forgotten))
