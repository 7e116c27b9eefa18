"""Questions: every file is used, and the three things they may do with their parameters."""

from __future__ import annotations

import re
from pathlib import Path

from beknown_server.store import question

STORE = Path(question.__file__).parent


def test_every_question_is_asked_and_every_one_asked_exists() -> None:
    files = {path.stem for path in (STORE / "query").glob("*.sql")}
    everywhere = "\n".join(path.read_text() for path in STORE.parent.rglob("*.py"))
    put_together = tuple(re.findall(r"\}(\.[a-z_.]+)\"", everywhere))  # f"{table}.columns"
    named = set(re.findall(r"\"([a-z_.]+)\"", everywhere))
    assert {name for name in files - named if not name.endswith(put_together)} == set()
    here = "\n".join(path.read_text() for path in STORE.glob("*.py"))
    assert set(re.findall(r"(?:all|many|_ask)\(\s*\"([a-z_.]+)\"", here)) <= files


def test_optional_clauses_depend_on_their_value() -> None:
    sql = "select 1 {{:a where a = :a}} {{:b and b = :b}}"
    assert question.bound(sql, {"a": 0, "b": None})[0].split() == "select 1 where a = :a".split()


def test_lists_stand_for_their_items() -> None:
    sql, values = question.bound("id in (:ids) or x = :x", {"ids": [7, 8], "x": 1})
    assert sql == "id in (:ids_0, :ids_1) or x = :x"
    assert values == {"ids_0": 7, "ids_1": 8, "x": 1}
    assert question.bound("id in (:ids)", {"ids": []})[0] == "id in (null)"


def test_percent_signs_are_kept_and_names_become_psycopgs() -> None:
    assert question.percent_style("a % :b and :c::int") == "a %% %(b)s and %(c)s::int"
