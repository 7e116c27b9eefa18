-- What comes within the window of a path spoils it although it goes no further. A path that began earlier, by the
-- same steps, has a window that ends earlier: if the one that began last is spoilt, is the first?
select b.* replace (case when {kept} then b.s1 when g.s1 <= b.s1 and {earlier} then g.s1 end as s1)
from {from} b
asof left join (select {actor}, s1 from clean1 b where {good}) g on {same} and b.t - $window <= g.s1
