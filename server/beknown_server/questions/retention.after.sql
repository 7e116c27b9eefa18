-- As retention, "on or after": who came back in that period or in any later one that is shown.
with active as (
  select person, {period} as period
  from event
  where timestamp >= $start and timestamp < $stop and person is not null and ({returning})
  group by all
  having count(*) >= $least
), target as (
  {target}
), latest as (
  select t.period as cohort, t.person, max(a.period - t.period) as later
  from target t join active a on a.person = t.person and a.period > t.period and a.period - t.period < $periods
  group by all
), cell as (
  select cohort, later, count(*) as persons
  from (select cohort, unnest(range(1, later + 1)) as later from latest)
  group by all
)
select period as cohort, 0 as later, count(*) as persons from target group by all
union all
select cohort, later, persons from cell
order by cohort, later
