"""``beknown person`` and ``beknown project choose``: an operator's corrections in the terminal."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

import pytest
from beknown_server.cli import cli
from beknown_server.errors import Misconfigured, Refusal
from beknown_server.store import Claim, Project, Store
from click.testing import CliRunner

from .conftest import BOTH_ENGINES, COMMAND, NOW, event

pytestmark = BOTH_ENGINES


@pytest.fixture
def run(database: str, store: Store, project: Project) -> Callable[..., str]:
    told = [("anon-1", "ada"), ("anon-2", "ada"), ("anon-3", "bob")]
    claims = [event("$identify", y, NOW + n, claim=Claim("claim", x, y)) for n, (x, y) in enumerate(told)]
    store.append(project.id, claims, NOW)

    def run(*words: str, answer: str | None = None) -> str:
        done = CliRunner().invoke(cli, [*words, "--database", database], input=answer)
        if isinstance(done.exception, Exception):
            raise done.exception
        return done.output

    return run


def ids(run: Callable[..., str], who: str) -> list[str]:
    return sorted(re.findall(r"^id +(\S+)", run("person", "show", who), re.MULTILINE))


def test_merge_undo_and_redo(run: Callable[..., str]) -> None:
    link = re.search(r"undo (\d+)", run("person", "merge", "bob", "ada"))[1]
    assert ids(run, "anon-3") == ["ada", "anon-1", "anon-2", "anon-3", "bob"]
    assert "forced_merge" in run("person", "explain", "bob")
    run("person", "undo", link)
    assert ids(run, "anon-3") == ["anon-3", "bob"]
    assert re.search(rf"^undone +{link} .*bob -> ada", run("person", "explain", "bob"), re.MULTILINE)
    run("person", "redo", link)
    assert len(ids(run, "ada")) == 5


def test_an_undo_says_when_two_ids_are_one_all_the_same(
    run: Callable[..., str], store: Store, project: Project
) -> None:
    store.append(project.id, [event("$identify", "bob", NOW + 9, claim=Claim("claim", "anon-3", "bob"))], NOW)
    first, again = store.explain(project.id, "bob").links
    assert f"still one person, by: {again.id}" in run("person", "undo", str(first.id))
    assert "still" not in run("person", "undo", str(again.id))


def test_split(run: Callable[..., str]) -> None:
    assert "Undone links: 2" in run("person", "split", "anon-2")
    assert (ids(run, "ada"), ids(run, "anon-2")) == (["ada", "anon-1"], ["anon-2"])


def test_delete_asks_first(run: Callable[..., str], store: Store, project: Project) -> None:
    assert "Aborted" in run("person", "delete", "ada", answer="n\n")
    assert store.person(project.id, "ada") is not None
    assert "Deleted: 2 events, 3 ids." in run("person", "delete", "anon-2", "--yes")
    assert store.person(project.id, "ada") is None


def test_explain_names_the_link_its_time_the_rule_and_the_event(
    run: Callable[..., str], store: Store, project: Project
) -> None:
    refused = event("$identify", "bob", NOW + 60_000, claim=Claim("claim", "anon-1", "bob"))
    store.append(project.id, [refused], NOW)
    events = {one.timestamp - NOW: one.uuid for one in store.recent(project.id)}
    assert run("person", "explain", "anon-2") == (
        f"linked        1  2026-11-18T11:06:40.000Z  anon-1 -> ada  claim  by {events[0]}\n"
        f"linked        2  2026-11-18T11:06:40.001Z  anon-2 -> ada  claim  by {events[1]}\n"
        f"refused       4  2026-11-18T11:07:40.000Z  anon-1 -> bob  already_identified  by {refused.uuid}\n"
    )
    run("person", "undo", "2")
    assert run("person", "explain", "anon-2") == (
        f"undone        2  2026-11-18T11:06:40.001Z  anon-2 -> ada  claim  by {events[1]}\n"
    )
    store.append(project.id, [event("x", "eve", NOW)], NOW)
    assert run("person", "explain", "eve") == "Nothing was ever said about this id: it is alone.\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("show nobody", "no event ever came from 'nobody'."),
        ("explain nobody", "no event ever came from 'nobody'."),
        ("merge ada nobody", "nobody was seen under the id 'nobody'."),
        ("merge nobody ada", "nobody was seen under the id 'nobody'."),
        ("merge ada anon-1", "'ada' and 'anon-1' are one person already."),
        ("undo 4711", "there is no link 4711."),
        ("redo 4711", "there is no link 4711."),
        ("redo 1", "link 1 is not undone."),
        ("split nobody", "nobody was seen under the id 'nobody'."),
        ("split anon-1 nobody", "nobody was seen under the id 'nobody'."),
        ("split ada anon-1 anon-2", "these are all ids of the person."),
        ("delete --yes nobody", "nobody was seen under the id 'nobody'."),
        *(
            (f"{verb} a\udcff", "'a\\udcff' is not UTF-8: /people shows ids as they were kept.")
            for verb in ("show", "explain", "split", "delete")
        ),
        *(
            (f"merge {two}", "'a\\udcff' is not UTF-8: /people shows ids as they were kept.")
            for two in ("ada a\udcff", "a\udcff ada")
        ),
    ],
)
def test_what_cannot_be_done_is_one_sentence(run: Callable[..., str], words: str, said: str) -> None:
    with pytest.raises((Refusal, Misconfigured)) as caught:
        run("person", *words.split())
    assert str(caught.value) == said


def test_bytes_that_are_no_text_end_with_a_sentence(database: str, store: Store) -> None:
    words = ["person", "delete", b"\xff", "--yes", "--database", database]
    done = subprocess.run([*COMMAND, *words], capture_output=True)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"beknown: '\\udcff' is not UTF-8: /people shows ids as they were kept.\n"


def test_a_project_chooses_what_it_believes(run: Callable[..., str], store: Store, project: Project) -> None:
    assert "signed_identities  no" in run("project", "choose", str(project.id))
    assert "signed_identities  yes" in run("project", "choose", str(project.id), "--signed-identities")
    run("project", "choose", str(project.id), "--merge-dangerously")
    assert store.projects()[0].options == {"signed_identities": True, "merge_dangerously": True}
    run("project", "choose", str(project.id), "--no-signed-identities")
    assert store.projects()[0].options == {"signed_identities": False, "merge_dangerously": True}
    assert "timezone           UTC" in run("project", "choose", str(project.id))
    said = run("project", "choose", str(project.id), "--timezone", "Europe/Berlin", "--week-start", "monday")
    assert "timezone           Europe/Berlin" in said
    assert store.projects()[0].options["week_start"] == "monday"
    with pytest.raises(Misconfigured, match="Choose one such as Europe/Berlin"):
        run("project", "choose", str(project.id), "--timezone", "Nowhere")
