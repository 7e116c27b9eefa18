-- From each event on, when each step was first done within the window.
level as (
  select {actor}, t, list_sort(list_filter([{firsts}], lambda x: x is not null)) as times
  from line
  window ahead as (partition by {actor} order by t range between current row and $window following)
)
