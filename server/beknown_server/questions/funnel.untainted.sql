-- Only the furthest paths count, and of them only those without an event that should not have come between.
wrong as (
  select {actor}, {wrongs} from line group by {actor}
), furthest as (
  select *, max(level) over (partition by {actor}) as most
  from (select {actor}, t, {level} as level, {times} as times from {last})
  where level >= 1
), chosen as (
  select {actors}, level, arg_min(times, t) as times
  from furthest f join wrong w on {same}
  where level = most and not ({tainted})
  group by {actors}, level
)
