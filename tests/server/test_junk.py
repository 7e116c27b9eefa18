"""Ids that are nobody's: one table for client and server, every spelling, on every side of everything that links."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from beknown import wire
from beknown.errors import BadId
from beknown_server.bags import as_id
from beknown_server.identity import refused_for_good
from beknown_server.store import Project, Store
from flask.testing import FlaskClient

from . import test_ingest_v1 as newer
from .conftest import KEY, uuid_of

# What PostHog refuses to merge (posthog-server §2.6), and what its newer wire takes for nobody (§1.12).
WORDS = (
    "anonymous guest distinctid distinct_id id not_authenticated email undefined true false NaN None none null 0 "
    "00000000-0000-0000-0000-000000000000 anonymous-user backend nan system user"
).split()
UPSTREAM = [*WORDS, "[object Object]", "[object object]"]
ROUNDED = ["1e+21", "1.2345678901234568e+20", "-1.2345678901234568e+20", "9007199254740992.0"]
OF_PYTHON = ["None", "nan", "NaN", "<JsProxy 5>", "<JsNull>", "<object object at 0x7f>", "{}", "[]", "n/a"]


def spellings(junk: str) -> list[str]:
    cases = [junk, junk.upper(), junk.lower(), junk.title(), junk.swapcase()]
    return [
        form
        for one in cases
        for form in (
            one,
            f" {one}",
            f"{one}\t",
            f'"{one}"',
            f"'{one}'",
            f' "{one}" ',
            f"' {one} '",
            f"\u00a0{one}",
            f"{one}\u2003",
            f"\ufeff'{one}\u3000'",
        )
    ]


EVERY = sorted(
    {
        form
        for junk in [*wire.JUNK_IDS, *UPSTREAM, *OF_PYTHON, *ROUNDED, "", "-", "--", "000", "0.0", "..."]
        for form in spellings(junk)
    }
)


def test_client_and_server_ask_the_same_table_and_refuse_every_spelling() -> None:
    assert len(EVERY) > 700
    for junk in EVERY:
        assert wire.is_junk(junk), junk
        with pytest.raises(BadId):
            wire.checked_id(junk)
        for kind in ("claim", "alias", "forced_merge"):
            assert refused_for_good(kind, junk, "ada") == "junk_id", junk
            assert refused_for_good(kind, "anon-1", junk) == "junk_id", junk
        assert refused_for_good("named", junk, junk) == "junk_id", junk


@pytest.mark.parametrize(
    "good",
    [
        *"ada|user-0|01|1|nullo|ada null|idx|x-0|me@example.com|ünï|1e21|1e+5|4.0|12345678901234567890".split("|"),
        "a" * 200,
    ],
)
def test_what_only_looks_like_it_is_somebodys(good: str) -> None:
    assert not wire.is_junk(good)
    assert wire.checked_id(good) == good
    assert refused_for_good("claim", good, "zoe") is None


def test_the_blanks_are_pythons_and_javascripts() -> None:
    points = map(chr, range(sys.maxunicode + 1))
    javascripts = "\ufeff"  # the only one that trim() takes and strip() does not (ECMA-262, WhiteSpace, LineTerminator)
    assert sorted(wire.BLANKS) == sorted([*(one for one in points if one.isspace()), javascripts])


@pytest.mark.parametrize("blank", wire.BLANKS)
def test_a_blank_id_is_none_on_either_wire_and_links_nobody(
    client: FlaskClient, store: Store, project: Project, blank: str
) -> None:
    assert sent(client, "clicked", blank) == 400
    assert newer.result(client, newer.event(distinct_id=blank))["details"] == "missing_distinct_id"
    assert store.recent(project.id) == []
    assert sent(client, "$identify", "ada", **{"$anon_distinct_id": blank}) == 200
    assert [one.rule for one in store.explain(project.id, "ada").refused] == ["junk_id"]
    assert newer.result(client, newer.event(distinct_id=f"{blank}zoe{blank}"))["result"] == "ok"
    assert store.recent(project.id)[0].distinct_id == "zoe"


def sent(client: FlaskClient, name: str, distinct_id: Any, **properties: Any) -> int:
    about = {"$lib": "posthog-js", "$lib_version": "1.449.2", "$current_url": "https://shop.example/cart?secret=1"}
    event = {"uuid": uuid_of(), "event": name, "distinct_id": distinct_id, "properties": {**about, **properties}}
    return client.post("/e/", json={"api_key": KEY, "batch": [event]}).status_code


def test_no_spelling_of_any_of_them_ever_links_two_people(client: FlaskClient, store: Store, project: Project) -> None:
    batch = []
    for number, junk in enumerate(EVERY):
        for event, who, about in (
            ("$identify", junk, {"$anon_distinct_id": f"a-{number}"}),
            ("$identify", f"u-{number}", {"$anon_distinct_id": junk}),
            ("$create_alias", f"b-{number}", {"alias": junk or " "}),
        ):
            batch.append({"uuid": uuid_of(), "event": event, "distinct_id": who, "properties": about})
    assert client.post("/batch/", json={"api_key": KEY, "batch": batch}).status_code == 200
    for number, junk in enumerate(EVERY):
        for name in (f"u-{number}", f"b-{number}"):
            assert store.person(project.id, name).distinct_ids == [name], junk
        assert store.person(project.id, f"a-{number}") is None, junk


# What is no id, or too much of one: kept as the reference says (§1.5, §1.8); the warning says where it came from.
ODD = [
    pytest.param(42, "42", {"id_not_text"}, id="a number is its digits"),
    pytest.param(4.5, "4.5", {"id_not_text"}, id="a broken number is its digits"),
    pytest.param(2**64 - 1, str(2**64 - 1), {"id_not_text"}, id="so it is as long as none are lost"),
    pytest.param(10**20 + 1, "1e+20", {"id_not_text", "junk_id"}, id="a number of more digits is another's, too"),
    pytest.param(True, "true", {"junk_id"}, id="a truth value is its JSON text, which is junk"),
    pytest.param(["a", 1], '["a",1]', {"id_not_text"}, id="a list is its JSON text"),
    pytest.param({"id": 7}, '{"id":7}', {"id_not_text"}, id="an object is its JSON text"),
    pytest.param("a\0b", "a\ufffdb", {"id_with_nul"}, id="NUL becomes U+FFFD"),
    pytest.param("x" * 201, "x" * 200, {"id_too_long"}, id="what is too long is cut"),
    pytest.param("null", "null", {"junk_id"}, id="junk is kept under itself"),
]


@pytest.mark.parametrize(("given", "kept", "codes"), ODD)
def test_an_odd_id_is_kept_with_a_warning_that_names_library_and_page(
    client: FlaskClient, store: Store, project: Project, given: Any, kept: str, codes: set[str]
) -> None:
    assert sent(client, "clicked", given) == 200
    (row,) = store.recent(project.id)
    assert row.distinct_id == kept
    assert_warned(store, project, codes)


@pytest.mark.parametrize(("given", "kept", "codes"), ODD)
def test_and_so_it_is_on_the_newer_wire_which_drops_what_is_too_long(
    client: FlaskClient, store: Store, project: Project, given: Any, kept: str, codes: set[str]
) -> None:
    raw = newer.event(distinct_id=given, properties={"$current_url": "https://shop.example/cart?secret=1"})
    answer = newer.send(client, newer.body(raw), PostHog_Sdk_Info="posthog-js/1.449.2")
    dropped = codes == {"id_too_long"}
    assert (answer.json["results"][raw["uuid"]]["result"] == "drop") is dropped
    assert [row.distinct_id for row in store.recent(project.id)] == ([] if dropped else [kept])
    assert_warned(store, project, {"skipped: distinct_id too long"} if dropped else codes)


def assert_warned(store: Store, project: Project, codes: set[str]) -> None:
    """Each of these was warned of, and the example names library and page, without what is behind the ``?``."""
    warned = {one.code: one.example for one in store.warnings(project.id)}
    assert codes <= set(warned)
    for code in codes:
        assert "posthog-js 1.449.2 on https://shop.example/cart" in warned[code]
        assert "secret" not in warned[code]


BESIDE = [
    pytest.param({}, id="alone"),
    pytest.param({"n": float("nan")}, id="beside a NaN"),
    pytest.param({"cut": "\ud83e"}, id="beside half an emoji"),
]


@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("name", ["$identify", "$create_alias"])
def test_numbers_too_large_to_be_kept_link_nobody_however_they_are_read(
    client: FlaskClient, store: Store, project: Project, name: str, beside: dict[str, Any]
) -> None:
    key = "$anon_distinct_id" if name == "$identify" else "alias"
    for number, who in enumerate(("ada", "bob")):
        huge = 123456789012345678901 + number
        assert sent(client, name, who, **{key: huge}, **beside) == 200
        assert sent(client, name, huge, **{key: f"anon-{number}"}, **beside) == 200
        assert store.person(project.id, who).distinct_ids == [who]
        assert store.person(project.id, f"anon-{number}") is None
        assert [one.rule for one in store.explain(project.id, who).refused] == ["junk_id"]
    rounded = "1.2345678901234568e+20"
    assert {row.distinct_id for row in store.recent(project.id)} == {rounded, "ada", "bob"}
    assert store.person(project.id, rounded).distinct_ids == [rounded]
    warned = {one.code: one.fix for one in store.warnings(project.id)}
    assert "Send ids as text" in warned["id_not_text"]
    assert {"junk_id", "claim refused: junk_id"} <= set(warned)


@pytest.mark.parametrize("given", [None, True, [], {}, "a\0b", "x" * 201, "null", "ada", float(0)])
@pytest.mark.parametrize("name", ["$identify", "$create_alias"])
def test_an_odd_id_on_the_other_side_links_nothing_and_says_where(
    client: FlaskClient, store: Store, project: Project, given: Any, name: str
) -> None:
    key = "$anon_distinct_id" if name == "$identify" else "alias"
    assert sent(client, name, "ada", **{key: given}) == 200
    assert store.person(project.id, "ada").distinct_ids == ["ada"]
    assert not store.person(project.id, "ada").is_identified
    if name == "$identify" or given:
        rule = "same_id" if given == "ada" else "junk_id"
        warned = {one.code: one.example for one in store.warnings(project.id)}
        assert "posthog-js 1.449.2 on https://shop.example/cart" in warned[f"claim refused: {rule}"]
        assert [one.rule for one in store.explain(project.id, "ada").refused] == [rule]
    assert as_id(given) is not None
