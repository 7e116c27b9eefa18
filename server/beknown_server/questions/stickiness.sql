-- How many persons were active in how many intervals, an interval counting from $least events on.
with active as (
  select person, {bucket} as bucket
  from event
  where timestamp >= $start and timestamp < $stop and person is not null and ({match})
  group by all
  having count(*) >= $least
), each as (
  select person, count(*) as intervals from active group by person
)
select intervals, count(*) as persons from each group by intervals order by intervals
