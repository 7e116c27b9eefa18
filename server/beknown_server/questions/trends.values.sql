-- The values of a breakdown: null first if an event has none, however few do, then the most frequent.
select value, count(*) as number
from (select {value} as value from event where timestamp >= $start and timestamp < $stop and ({match}))
group by value
order by value is not null, number desc, value
limit $most
