-- The period of each person's earliest target ever. {passes}: what the earliest of {first} must be itself.
select person, {bits} as periods from (
  select person, {period} as period from (
    select person, min(timestamp) as timestamp, arg_min({passes}, (timestamp, seq)) as passes
    from event
    where person is not null and ({first})
    group by person
  )
  where passes and timestamp >= $start and timestamp < $stop
)
group by person
