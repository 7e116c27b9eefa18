-- Of the open paths to the step before, the one that began last has the most of its window left. Starts only grow
-- along time, so it is the path that came last before this event. So do the times of all its steps: what excludes the
-- path that came last ({clean}) excludes every other too.
select b.*, {path}, b.t as s{k}
from (select {columns}, {place} as place from line where m{k}) b
asof join {chain}{j} a on {goes_on} and b.place > a.place
where b.t - a.s1 <= $window{clean}
