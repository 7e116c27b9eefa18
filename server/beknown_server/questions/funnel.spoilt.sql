-- The next event after step {first} that should not come (before the last of its steps): is it within the window?
select b.*, coalesce(w.t - b.s1 <= $window{before}, false) as spoilt{number}
from {from} b
asof left join (select {actor}, t from line where x{number}) w on {same} and b.s{first} < w.t
