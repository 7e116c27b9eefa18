"""What the tests of exports and imports share: a command line on a database, what is told, and all that can be read."""

from __future__ import annotations

from typing import Any

from beknown_server.cli import cli
from beknown_server.errors import Misconfigured
from beknown_server.intake import Terms, taken
from beknown_server.store import Project, Store, open_store
from click.testing import CliRunner

from .conftest import NOW, uuid_of

IDS = ["anon-1", "anon-2", "ada", "bob", 'q"uo,te\nd', "re\rturn", "42"]


def raw(name: str, x: str, y: str, at: int, bag: dict[str, Any], where: str) -> dict[str, Any]:
    about = {"$anon_distinct_id": x} if name == "$identify" else {"alias": x}
    group = {"$group_type": "company", "$group_key": x, "$group_set": bag}
    properties = {**(group if name == "$groupidentify" else about), where: list(bag) if where == "$unset" else bag}
    event = {"uuid": uuid_of(), "event": name, "distinct_id": y, "properties": properties}
    return {**event, "timestamp": str(NOW + at)}


def tell(store: Store, project: Project, events: list[dict[str, Any]], **options: bool) -> None:
    terms = Terms(NOW + 100, None, options, lambda now: uuid_of())
    store.append(project.id, [taken(one, terms).event for one in events], NOW + 100)


def picture(store: Store, project: Project) -> dict[str, Any]:
    """All that can be read of persons, log, groups and events; person ids aside, which are each project's own."""
    found: dict[str, Any] = {
        "groups": sorted((one.type, one.key, one.properties) for one in store.groups.known(project.id)),
        "events": sorted(
            (row.uuid, row.event, row.timestamp, row.distinct_id, str(row.properties))
            for row in store.recent(project.id, limit=1000)
        ),
    }
    for name in IDS:
        person, why = store.person(project.id, name), store.explain(project.id, name)
        if person is None or why is None:
            continue
        log = [
            [(one.distinct_id, one.to, one.linked_by, one.rule, one.at, one.undone) for one in part]
            for part in (why.links, why.refused, why.undone)
        ]
        head = (person.distinct_ids[0], sorted(person.distinct_ids), person.is_identified, person.properties)
        found[name] = (head, person.first_seen, person.last_seen, person.event_count, log)
    return found


class Command:
    """The command line on one database."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.store = open_store(self.url)
        self.store.migrate()

    def project(self) -> Project:
        name = uuid_of()
        return self.store.create_project(name, "bk_" + name, "bks_" + name, NOW)

    def run(self, *words: Any, project: Project) -> str:
        arguments = [*map(str, words), "--project", str(project.id), "--database", self.url]
        done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout + done.stderr

    def refused(self, *words: Any, project: Project) -> tuple[str, str]:
        """Give what it printed, and the one sentence that it ended with (cli.main makes exit code 2 of it)."""
        arguments = [*map(str, words), "--project", str(project.id), "--database", self.url]
        done = CliRunner().invoke(cli, arguments)
        assert isinstance(done.exception, Misconfigured)
        return done.stdout, str(done.exception)


def visit() -> list[dict[str, Any]]:
    return [
        raw("x", "", "anon-1", 0, {}, "$set"),
        raw("$identify", "anon-1", "ada", 1, {"plan": "free"}, "$set"),
        raw("$identify", "anon-2", "ada", 2, {"plan": "pro"}, "$set"),
        raw("$identify", "anon-1", "bob", 3, {"plan": "bob's"}, "$set"),
    ]
