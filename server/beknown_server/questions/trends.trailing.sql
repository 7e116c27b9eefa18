-- Persons active in the $length days that end with each day. A person's day counts for the days from it to the one
-- before that person's next day, at most $length of them: so each is counted once, and no day is looked at $length
-- times. ``series`` as in trends; ``day`` is counted from the first day that is read.
with active as (
  select distinct {series} as series, person, {day} as day
  from event
  where timestamp >= $start and timestamp < $stop and ({match}) and person is not null
), span as (
  select series, day, least(day + $length, coalesce(lead(day) over (partition by series, person order by day), day + $length)) as ends
  from active
), change as (
  select series, day, count(*) as number from span group by all
  union all
  select series, ends, -count(*) from span group by all
)
select series, day, sum(number)::bigint as number from change group by all order by series, day
