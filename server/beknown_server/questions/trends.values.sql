-- The values of a breakdown, the most frequent first; null where an event has none.
select {value} as value, count(*) as number
from event
where timestamp >= $start and timestamp < $stop and ({match})
group by all
order by number desc, value nulls last
limit $most
