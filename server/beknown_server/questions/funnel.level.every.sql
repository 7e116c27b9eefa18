-- As funnel.level, but of every path there is: of those that began at the same time the one that came last.
select b.*, {path}, b.t as s{k}
from (select {columns}, {place} as place from line where m{k}) b
join {chain}{j} a on {goes_on} and b.place > a.place
where b.t - a.s1 <= $window{clean}
qualify row_number() over (partition by {actor}, b.place, a.s1 order by a.place desc) = 1
