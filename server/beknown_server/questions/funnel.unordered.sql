-- From each event on, when so many steps were first done within the window: the most steps, of several the first.
level as (
  select {actor}, t, list_sort(list_filter([{firsts}], lambda x: x is not null)) as times
  from line
  window ahead as (partition by {actor} order by t range between current row and $window following)
), chosen as (
  select {actor}, level, {times}
  from (
    select {actor}, max(len(times)) as level, arg_max(times, len(times) * 1125899906842624 - t) as times
    from level
    where len(times) >= 1
    group by {actor}
  )
)
