"""The command line: ``beknown serve``, ``demo``, ``migrate``, ``project``, ``person``, ``report``, ``snippet``.

Rules:
- Every option is a setting (settings.py) and an environment variable ``BEKNOWN_<OPTION>``.
- A failure is one sentence that says what to do, and exit code 2.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import click
from beknown.wire import VERSION, iso

from . import access
from .archive_cli import export_command, import_command
from .assets import library_path, manifest
from .columns import Columns
from .command import Opened, project_id_of, project_of, settings_of, settings_options
from .errors import Misconfigured, Refusal
from .keys import first_project, new_secret_key, new_write_key
from .options import SWITCHES, WEEK_STARTS, Chosen
from .person_cli import person_group
from .register import identity_report
from .serving import listening, ready_store, serve
from .settings import Settings
from .site import now_ms
from .snippet import INLINE, tag
from .snippet import pyscript as for_pyscript
from .store import Project, open_store
from .terminal import printed

KEEP_WRITE_KEY_HOURS = 90 * 24  # pages are cached, and apps updated late

SERVING = (
    "host port database workers threads viewers migrate key secret_key proxies rate_per_key rate_per_address log url "
    "forward forward_key"
).split()


@click.group()
@click.version_option(VERSION, prog_name="beknown")
def cli() -> None:
    """First-party product analytics whose browser client is Python."""


@cli.command("serve")
@settings_options(*SERVING)
def serve_command(**given: Any) -> None:
    """Serve: the tag, the events, the dashboard."""
    settings = listening(settings_of(given))
    _prepare(settings)
    click.echo(f"Dashboard  {settings.public_url()}/")
    serve(settings)


@cli.command("demo")
@settings_options(*SERVING)
def demo_command(**given: Any) -> None:
    """Serve, and a small site that embeds the tag; data lies in ./data/ unless --database says otherwise."""
    if given["database"] is None and "BEKNOWN_DATABASE" not in os.environ:
        given["database"] = "sqlite:///data/beknown.db"
    given["migrate"] = True if given["migrate"] is None else given["migrate"]
    settings = listening(settings_of(given))
    project, secret = _prepare(settings)
    token = access.Links().make(project.id, secret=secret)
    click.echo(f"The site   {settings.public_url()}/")
    click.echo(f"Live view  {settings.public_url()}/login?token={token}&next=/live")
    serve(settings, demo=True)


def _prepare(settings: Settings) -> tuple[Project, str]:
    store = ready_store(settings)
    try:
        first = first_project(store, settings, now=now_ms())
        secret = store.site_secret()
    finally:
        store.close()
    click.echo(f"beknown {VERSION}")
    click.echo(f"Write key  {first.project.write_key}")
    if first.secret_key:
        click.echo(f"Secret key {first.secret_key}  (shown this once; it opens the dashboard and the API)")
    sys.stdout.flush()
    return first.project, secret


@cli.command("migrate")
@settings_options("database")
def migrate_command(**given: Any) -> None:
    """Bring the database up to date."""
    settings = settings_of({**given, "migrate": "yes"})
    ready_store(settings).close()
    click.echo("The database is up to date.")


@cli.group("project")
def project_group() -> None:
    """Projects and their keys."""


@project_group.command("create")
@click.argument("name")
@settings_options("database")
def project_create(name: str, **given: Any) -> None:
    """Make a project and print its keys."""
    secret = new_secret_key()
    with Opened(given) as store:
        project = store.create_project(name, new_write_key(), secret, now_ms())
    click.echo(f"Write key  {project.write_key}")
    click.echo(f"Secret key {secret}  (shown this once)")


@project_group.command("list")
@settings_options("database")
def project_list(**given: Any) -> None:
    """List the projects with their write keys."""
    with Opened(given) as store:
        for project in store.projects():
            click.echo(f"{project.id}  {project.write_key}  {project.name}")


@project_group.command("choose")
@click.argument("project_id", type=int)
@click.option("--signed-identities/--no-signed-identities", default=None, help="Claims need the backend's signature.")
@click.option("--merge-dangerously/--no-merge-dangerously", default=None, help="Pages may force merges.")
@click.option("--timezone", help="Where a day begins and ends, such as Europe/Berlin.")
@click.option("--week-start", type=click.Choice(list(WEEK_STARTS)), help="The first day of a week.")
@settings_options("database")
def project_choose(project_id: int, **given: Any) -> None:
    """Choose what a project believes, and what a day and a week are; shows what is chosen."""
    names = (*SWITCHES, "timezone", "week_start")
    asked = {name: value for name in names if (value := given.pop(name)) is not None}
    with Opened(given) as store:
        wanted = Chosen(asked, project_of(store, project_id).options)
        if wanted.wrong:
            raise Misconfigured(" ".join(wanted.wrong.values()))
        if asked:
            store.set_options(project_id, wanted.options)
    for name in names:
        value = wanted.shown[name]
        click.echo(f"{name:18} {value if isinstance(value, str) else 'yes' if value else 'no'}")


@project_group.command("rotate-key")
@click.argument("project_id", type=int)
@click.option("--write", is_flag=True, help="Replace the write key, which stands in the pages, instead.")
@click.option("--keep-hours", type=int, help="Accept the old key for so long. Default: 0; a write key for 90 days.")
@settings_options("database")
def project_rotate_key(project_id: int, write: bool, keep_hours: int | None, **given: Any) -> None:
    """Make a new secret key; the old ones end now, or after --keep-hours."""
    keep_ms = (keep_hours if keep_hours is not None else KEEP_WRITE_KEY_HOURS if write else 0) * 3_600_000
    with Opened(given) as store:
        project_of(store, project_id)
        if write:
            key = new_write_key()
            store.write_keys.rotate(project_id, key, now_ms(), keep_ms=keep_ms)
            click.echo(f"Write key  {key}")
            click.echo(f"The old one sends until {iso(now_ms() + keep_ms)}: change the tag before that.")
            click.echo("Cookies have the key in their name: visitors who are not logged in start anew with it.")
            return
        secret = new_secret_key()
        store.rotate_key(project_id, secret, now_ms(), keep_ms=keep_ms)
    click.echo(f"Secret key {secret}  (shown this once)")


@project_group.command("origins")
@click.argument("project_id", type=int)
@click.argument("origins", nargs=-1)
@click.option("--any", "anywhere", is_flag=True, help="Let pages of any site send.")
@settings_options("database")
def project_origins(project_id: int, origins: tuple[str, ...], anywhere: bool, **given: Any) -> None:
    """Let only pages of these sites send: https://shop.example, shop.example or *.shop.example; none shows them."""
    with Opened(given) as store:
        options = project_of(store, project_id).options
        if origins or anywhere:
            chosen = Chosen({"origins": [] if anywhere else list(origins)}, options)
            if chosen.wrong:
                raise Misconfigured(chosen.wrong["origins"])
            options = chosen.options
            store.set_options(project_id, options)
    click.echo("\n".join(options.get("origins") or ["any"]))


@project_group.command("keep")
@click.argument("project_id", type=int)
@click.argument("days", type=click.IntRange(0, 36_500))
@settings_options("database")
def project_keep(project_id: int, days: int, **given: Any) -> None:
    """Keep events for so many days, 0 for ever; the running server takes out what is older."""
    with Opened(given) as store:
        store.set_options(project_id, {**project_of(store, project_id).options, "retention_days": days or None})
    click.echo(f"Events are kept for {days} days." if days else "Events are kept for ever.")


@cli.command("backup")
@click.argument("file", type=click.Path(path_type=Path))
@settings_options("database")
def backup_command(file: Path, **given: Any) -> None:
    """Copy the database, as it is at this moment, to a new FILE; the server may go on meanwhile (SQLite)."""
    store = open_store(settings_of(given).database)
    try:
        with click.progressbar(length=1000, label="Backup", file=sys.stderr) as bar:
            store.upkeep.backup(file, lambda share: bar.update(int(share * 1000) - bar.pos))
    finally:
        store.close()


@cli.command("report")
@click.option("--project", "project_id", type=int, default=None, help="Default: the first project.")
@click.option("--from", "date_from", default=None, help="First day, YYYY-MM-DD. Default: 30 days ago.")
@click.option("--to", "date_to", default=None, help="Last day. Default: today.")
@settings_options("database", "columns")
def report_command(project_id: int | None, date_from: str | None, date_to: str | None, **given: Any) -> None:
    """Say how far the numbers can be trusted, and what to change."""
    with Opened(given) as store:
        wanted = project_id_of(store, project_id)
        mine = next(one for one in store.projects() if one.id == wanted)
        columns = Columns(store, settings_of(given).columns_folder())
        try:
            _copied(columns, wanted)
            body = {"date_from": date_from, "date_to": date_to}
            click.echo(printed(identity_report(store, columns, mine, body, now=now_ms())))
        finally:
            columns.close()


def _copied(columns: Columns, project_id: int) -> None:
    """Wait for the columnar copy, with a bar if it takes time."""
    with click.progressbar(length=1000, label="Columnar copy", file=sys.stderr) as bar:
        while (share := columns.progress(project_id)) < 1:
            bar.update(int(share * 1000) - bar.pos)
            time.sleep(0.2)
        bar.update(1000 - bar.pos)


@cli.command("snippet")
@click.option("--project", "project_id", type=int, default=None, help="Default: the first project.")
@click.option("--inline", is_flag=True, help="Also print the line that takes calls before the script has loaded.")
@click.option("--pyscript", is_flag=True, help="Print the configuration for Python in the page instead.")
@click.option("--integrity/--no-integrity", default=True, help="Pin the script's present version by its hash.")
@settings_options("host", "port", "database", "url")
def snippet_command(project_id: int | None, inline: bool, pyscript: bool, integrity: bool, **given: Any) -> None:
    """Print the tag to paste into a site's pages."""
    settings = settings_of(given)
    with Opened(given) as store:
        wanted = project_id_of(store, project_id)
        key = next(one.write_key for one in store.projects() if one.id == wanted)
    if pyscript:
        click.echo(for_pyscript(settings.public_url(), key, wheel=library_path()))
        return
    built = {asset["path"]: asset["integrity"] for asset in manifest().get("assets", [])}
    pinned = built.get("beknown.js") if integrity else None
    if inline:
        click.echo(INLINE)
    click.echo(tag(settings.public_url(), key, integrity=pinned))
    if pinned:
        click.echo("The hash pins this version: paste it again after an update, or use --no-integrity.", err=True)


for _command in (person_group, export_command, import_command):
    cli.add_command(_command)


def main() -> None:
    """Run the command line."""
    try:
        cli()
    except (Misconfigured, Refusal) as error:
        click.echo(f"beknown: {error}", err=True)
        sys.exit(2)
