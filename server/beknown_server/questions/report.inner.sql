-- Ids that begin in the middle of the site: the first thing they did was to view a page that was reached from
-- another page of the same host. What the visitor was before did not last. (A number that sorts like time, then
-- arrival, finds the first event; only that one's properties are read.)
with active as (
  select distinct id from event where timestamp >= $start and timestamp < $stop
), first as (
  select min(timestamp::hugeint * 4611686018427387904 + seq) % 4611686018427387904 as seq
  from event
  where person is not null and session is not null and id in (select id from active)
  group by id
)
select distinct person
from event join first on first.seq = event.seq
where event = $view and {host} = {referrer} and person not in (select person from known)
order by person
