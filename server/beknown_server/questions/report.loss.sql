-- Events number themselves per device and tab: a gap is as many events that never came. Before the first that came,
-- nobody can tell. Anyone may send any number, so what a tab can hardly have made is none, and a gap of more than
-- $most is no loss but a count that began anew. Beside the sums some of those whose events are missing.
with counted as (
  select device, {tab} as tab, person, try_cast({sequence} as bigint) as number
  from event where timestamp >= $start and timestamp < $stop
), missed as (
  select person, number - lag(number) over (partition by device, tab order by number) - 1 as gap
  from counted where device is not null and tab is not null and number >= 0 and number < 2147483648
), told as (
  select person, case when gap between 1 and $most then gap else 0 end as lost from missed where gap is distinct from -1
)
select (count(*) + coalesce(sum(lost), 0))::bigint, count(*), arg_max(person, lost, $some) filter (lost > 0) from told
