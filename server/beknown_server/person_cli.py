"""``beknown person``: who somebody is and why, and an operator's corrections."""

from __future__ import annotations

from typing import Any

import click
from beknown.wire import iso

from .columns import Columns
from .command import Opened, project_id_of, project_option, settings_of, settings_options
from .errors import Misconfigured
from .site import now_ms

# Unknown options are not taken for ids: a slip in `delete --project` would name somebody.
DASHES = "An id that begins with a dash goes behind --, after all options: -- -id"


def typed(distinct_id: str) -> str:
    """Give an id as it was typed; raises Misconfigured if it is no text, which no id that was kept is."""
    try:
        distinct_id.encode()
    except UnicodeEncodeError:
        raise Misconfigured(f"{distinct_id!r} is not UTF-8: /people shows ids as they were kept.") from None
    return distinct_id


@click.group("person", epilog=DASHES)
def person_group() -> None:
    """Persons: who they are and why."""


@person_group.command("show", epilog=DASHES)
@click.argument("distinct_id", type=typed)
@project_option
@settings_options("database")
def person_show(distinct_id: str, project_id: int | None, **given: Any) -> None:
    """Show a person by any of its ids."""
    with Opened(given) as store:
        person = store.person(project_id_of(store, project_id), distinct_id)
    if person is None:
        raise Misconfigured(f"no event ever came from {distinct_id!r}.")
    click.echo(f"{person.name}  ({'identified' if person.is_identified else 'anonymous'})")
    click.echo(f"person     {person.person_id}")
    click.echo(f"seen       {iso(person.first_seen)} to {iso(person.last_seen)}, {person.event_count} events")
    for one in person.distinct_ids:
        click.echo(f"id         {one}")
    for key in sorted(person.properties):
        click.echo(f"property   {key} = {person.properties[key]!r}")


@person_group.command("explain", epilog=DASHES)
@click.argument("distinct_id", type=typed)
@project_option
@settings_options("database")
def person_explain(distinct_id: str, project_id: int | None, **given: Any) -> None:
    """Show why a person is one person, what was refused and what was undone; the number is what undo takes."""
    with Opened(given) as store:
        found = store.explain(project_id_of(store, project_id), distinct_id)
    if found is None:
        raise Misconfigured(f"no event ever came from {distinct_id!r}.")
    for title, links in (("linked", found.links), ("refused", found.refused), ("undone", found.undone)):
        for link in links:
            said = f"{link.distinct_id} -> {link.to}  {link.rule}  by {link.linked_by}"
            click.echo(f"{title:8} {link.id:>6}  {iso(link.at)}  {said}")
    if not (found.links or found.refused or found.undone):
        click.echo("Nothing was ever said about this id: it is alone.")


@person_group.command("merge", epilog=DASHES)
@click.argument("source", metavar="FROM", type=typed)
@click.argument("into", type=typed)
@project_option
@settings_options("database")
def person_merge(source: str, into: str, project_id: int | None, **given: Any) -> None:
    """Make one person of two, whatever they are; INTO survives."""
    with Opened(given) as store:
        link = store.corrections.merge(project_id_of(store, project_id), source, into, now=now_ms())
    click.echo(f"{source} is {into} now. Take it back with: beknown person undo {link}")


@person_group.command("undo")
@click.argument("link", type=int)
@project_option
@settings_options("database")
def person_undo(link: int, project_id: int | None, **given: Any) -> None:
    """Take one link out, as if it had never been said. LINK is its number in `beknown person explain`."""
    with Opened(given) as store:
        others = store.corrections.undo(project_id_of(store, project_id), link, now=now_ms())
    click.echo(f"Undone. Take that back with: beknown person redo {link}")
    if others:
        click.echo(f"Its two ids are still one person, by: {', '.join(map(str, others))}")


@person_group.command("redo")
@click.argument("link", type=int)
@project_option
@settings_options("database")
def person_redo(link: int, project_id: int | None, **given: Any) -> None:
    """Take an undo back."""
    with Opened(given) as store:
        store.corrections.redo(project_id_of(store, project_id), link)
    click.echo("It counts again.")


@person_group.command("split", epilog=DASHES)
@click.argument("distinct_ids", nargs=-1, required=True, type=typed)
@project_option
@settings_options("database")
def person_split(distinct_ids: tuple[str, ...], project_id: int | None, **given: Any) -> None:
    """Part these ids from the others of their person."""
    with Opened(given) as store:
        undone = store.corrections.split(project_id_of(store, project_id), list(distinct_ids), now=now_ms())
    click.echo(f"Split off. Undone links: {', '.join(str(link) for link in undone)}")


@person_group.command("delete", epilog=DASHES)
@click.argument("distinct_id", type=typed)
@click.option("--yes", is_flag=True, help="Do not ask.")
@project_option
@settings_options("database", "columns")
def person_delete(distinct_id: str, yes: bool, project_id: int | None, **given: Any) -> None:
    """Delete a person for good: events, ids, properties. Late events do not bring them back."""
    if not yes:
        click.confirm(f"Delete {distinct_id} with all events, for good?", abort=True)
    with Opened(given) as store:
        wanted = project_id_of(store, project_id)
        deleted = store.corrections.delete(wanted, distinct_id, now=now_ms())
        columns = Columns(store, settings_of(given).columns_folder())
        columns.forget(wanted, deleted.numbers)
        columns.close()
    click.echo(f"Deleted: {deleted.events} events, {len(deleted.names)} ids.")
