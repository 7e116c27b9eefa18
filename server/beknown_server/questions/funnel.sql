-- candidate: the events that matter, each with the steps it matches (m1, m2, ...) and the first of them (tie).
-- The flags are made within: DuckDB refuses an alias beside it that looks something up, as of a person's properties.
-- line: the same, per actor (a person, or a person with a value of the breakdown).
-- level{k}: an event that brings a path to step k, and s1 ... s{k}, when the steps of that path were done.
-- chosen: one path per actor, the furthest; of several the one that got there first.
with candidate as (
  select *{tie}
  from (
    select person, timestamp as t, {flags}
    from event
    where timestamp >= $start and timestamp < $stop and person is not null
  )
  where {wanted}
), {line}, {levels}
{answer}
