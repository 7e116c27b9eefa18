-- Of the open paths to the step before, the one that began last has the most of its window left. Starts only grow
-- along time, so it is the path that came last before this event.
level{k} as (
  select b.*, {path}, b.t as s{k}
  from (select {columns}, {place} as place from line where m{k}) b
  asof join level{j} a on {goes_on} and b.place > a.place
  where b.t - a.s1 <= $window
)
