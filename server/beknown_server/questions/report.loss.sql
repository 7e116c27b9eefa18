-- Events number themselves per device and tab: a gap is an event that never came. Before the first that came, nobody
-- can tell.
with counted as (
  select device, {tab} as tab, try_cast({sequence} as bigint) as number
  from event where timestamp >= $start and timestamp < $stop
)
select coalesce(sum(sent), 0)::bigint, coalesce(sum(received), 0)::bigint
from (
  select device, tab, max(number) - min(number) + 1 as sent, count(distinct number) as received
  from counted where device is not null and tab is not null and number is not null
  group by device, tab
)
