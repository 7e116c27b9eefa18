"""The questions of bench/insights as one would write them by hand: for plain DuckDB, and for SQLite on the store.

Days are whole, the zone is UTC, weeks start on Sunday. In plain DuckDB: e has t, event, id; m has id, person; p has t,
id, properties. The last column of a row is the number, those before it sort the rows as beknown's answer is sorted, so
the answers can be compared.
"""

from __future__ import annotations

from typing import Any

from beknown_server.asked import code_of
from history import DAY, START

_END = START + 60 * DAY
_MONTH = f"t >= {START + 30 * DAY} and t < {_END}"
_FIRST_WEEK = (START // DAY + 4) // 7
_BOTH = "e join m using (id)"
_NAMED = {name: code_of(name) for name in ("view", "add", "buy")}
PLAIN = {
    "unique users, 60 days": f"select count(distinct person) from {_BOTH} where t >= {START} and t < {_END}",
    "DAU, 30 days": f"select t // {DAY} as d, count(distinct person) from {_BOTH} where {_MONTH} group by d",
    "WAU, 30 days": f"""
        with a as (select distinct person, t // {DAY} as d from e join m using (id)
                   where t >= {START + 24 * DAY} and t < {_END}),
        b as (select distinct person, unnest(range(d, d + 7)) as d from a)
        select d, count(*) from b where d >= {START // DAY + 30} and d < {_END // DAY} group by d""",
    "funnel, 3 steps, 14 days": """
        with c as (select person, t, event from e join m using (id)
                   where {month} and event in ({view}, {add}, {buy})),
        l as (select *, max(case when event = {view} then t end) over w as p1 from c
              window w as (partition by person order by t rows between unbounded preceding and 1 preceding)),
        l2 as (select *, case when event = {add} and t - p1 <= {window} then p1 end as s2 from l),
        l3 as (select *, max(s2) over w as p2 from l2
               window w as (partition by person order by t rows between unbounded preceding and 1 preceding))
        select count(distinct person) filter (where event = {view}),
               count(distinct person) filter (where s2 is not null),
               count(distinct person) filter (where event = {buy} and t - p2 <= {window}) from l3
        """.format(month=_MONTH, window=14 * DAY, **_NAMED),
    "retention, 8 weeks": f"""
        with a as (select distinct person, (t // {DAY} + 4) // 7 as w from e join m using (id)
                   where event = {_NAMED["view"]})
        select x.w, y.w - x.w, count(*) from a x join a y using (person)
        where y.w between x.w and x.w + 7 and x.w < {_FIRST_WEEK + 8} group by all""",
    "DAU by an event's property, 30 days": f"""
        select json_extract_string(properties, '$.plan') as plan, t // {DAY} as d, count(distinct person)
        from p join m using (id) where {_MONTH} group by all""",
}  # fmt: skip
_EVENT = "event e join distinct_id d on d.id = e.distinct_id where e.project_id = 1"
_MONTHLY = f"timestamp >= {START + 30 * DAY} and timestamp < {_END}"
SQL = {
    "unique users, 60 days": f"select count(distinct coalesce(person, id)) from {_EVENT}",
    "DAU, 30 days": f"select timestamp / {DAY}, count(distinct coalesce(person, id)) from {_EVENT} and {_MONTHLY} "
    "group by 1",
    "WAU, 30 days": f"""
        with a as (select distinct coalesce(person, id) as p, timestamp / {DAY} as d from {_EVENT}
                   and timestamp >= {START + 24 * DAY} and timestamp < {_END}),
        later(n) as (select 0 union all select n + 1 from later where n < 6)
        select d + n, count(distinct p) from a join later
        where d + n between {START // DAY + 30} and {_END // DAY - 1} group by 1""",
    "funnel, 3 steps, 14 days": f"""
        with c as (select coalesce(person, id) as p, timestamp as t, event, seq from {_EVENT} and {_MONTHLY}
                   and event in ('view', 'add', 'buy')),
        l as (select *, max(case when event = 'view' then t end) over w as p1 from c
              window w as (partition by p order by t, seq rows between unbounded preceding and 1 preceding)),
        l2 as (select *, case when event = 'add' and t - p1 <= {14 * DAY} then p1 end as s2 from l),
        l3 as (select *, max(s2) over w as p2 from l2
               window w as (partition by p order by t, seq rows between unbounded preceding and 1 preceding))
        select count(distinct p) filter (where event = 'view'), count(distinct p) filter (where s2 is not null),
               count(distinct p) filter (where event = 'buy' and t - p2 <= {14 * DAY}) from l3""",
    # Joined to itself in one statement it would look at every pair: SQLite makes no index on what it has just made.
    "retention, 8 weeks": f"""
        drop table if exists temp.a;
        create temp table a (p, w, primary key (p, w)) without rowid;
        insert or ignore into a select coalesce(person, id), (timestamp / {DAY} + 4) / 7 from {_EVENT}
            and event = 'view';
        select x.w, y.w - x.w, count(*) from a x join a y on y.p = x.p and y.w between x.w and x.w + 7
            where x.w < {_FIRST_WEEK + 8} group by 1, 2""",
}  # fmt: skip


def counts(answer: Any) -> list[int]:
    """Give the numbers of an answer of beknown's in a row, without noughts: of what is not there SQL has no row."""
    if isinstance(answer, int):
        found = [answer]
    elif "series" in answer:
        found = [number for one in sorted(answer["series"], key=lambda one: one["label"]) for number in one["data"]]
    elif "steps" in answer:
        found = [step["count"] for step in answer["steps"]]
    else:
        found = [number for cohort in answer["cohorts"] for number in cohort["values"]]
    return [number for number in found if number]


def counts_of(rows: list[tuple[Any, ...]]) -> list[int]:
    """Give the numbers of rows of SQL: all of an only row, else the last of each, in order; without noughts."""
    found = rows[0] if len(rows) == 1 else [row[-1] for row in sorted(rows)]
    return [number for number in found if number]


def alike(title: str, answers: dict[str, list[int]]) -> None:
    """End the run if not all answer the same."""
    if len({tuple(numbers) for numbers in answers.values()}) > 1:
        said = "".join(f"\n  {name}: {len(numbers)} numbers, {numbers}" for name, numbers in answers.items())
        raise SystemExit(f"{title}: the answers differ, so their times say nothing.{said}")
