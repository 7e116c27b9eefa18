chosen as (
  select {actor}, max(level) as level, arg_max(times, level * 1125899906842624 - t) as times
  from (select {actor}, t, {level} as level, {times} as times from {last})
  where level >= 1
  group by {actor}
)
