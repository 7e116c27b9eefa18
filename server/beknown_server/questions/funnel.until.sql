-- Beside each path the time of the first event after step {first} that should not come: it goes on until then.
select b.*, w.t as u{number}
from ({from}) b
asof left join (select {actor}, t from line where x{number}) w on {same} and b.s{first} < w.t
