select person, {bits} as periods from (
  select person, {period} as period
  from event
  where timestamp >= $start and timestamp < $stop and person is not null and ({match})
)
group by person
