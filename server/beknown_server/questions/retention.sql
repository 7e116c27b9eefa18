-- target: who did it, and when. active: who did the returning event, and when. A cell holds the members of a cohort who
-- came back ``later`` periods after; cell 0 is the cohort itself. Periods count from that of date_from.
with active as (
  select person, {period} as period
  from event
  where timestamp >= $start and timestamp < $stop and person is not null and ({returning})
  group by all
  having count(*) >= $least
), target as (
  {target}
), cell as (
  select t.period as cohort, a.period - t.period as later, count(*) as persons
  from target t join active a on a.person = t.person and a.period > t.period and a.period - t.period < $periods
  group by all
)
select period as cohort, 0 as later, count(*) as persons from target group by all
union all
select cohort, later, persons from cell
order by cohort, later
