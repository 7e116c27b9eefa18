-- Ids that begin in the middle of the site: the first thing they did was to view a page that was reached from
-- another page of the same host. What the visitor was before did not last.
with first as (
  select id, arg_min(person, (timestamp, seq)) as person, arg_min(event, (timestamp, seq)) as event,
         arg_min({host}, (timestamp, seq)) as host, arg_min({referrer}, (timestamp, seq)) as referrer
  from event where person is not null and session is not null and id in (
    select id from event where timestamp >= $start and timestamp < $stop)
  group by id
)
select person from first
where event = $view and host is not null and host = referrer
  and person not in (select person from known)
order by person
