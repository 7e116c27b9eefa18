-- Ids that begin in the middle of the site: the first thing they did was to view a page that was reached from
-- another page of the same host (inside). What the visitor was before did not last. The least number that sorts like
-- time, then arrival, is that of the first event; whether it is inside is its last bit.
with active as (
  select distinct id from event where timestamp >= $start and timestamp < $stop
), first as (
  select any_value(person) as person,
         min((timestamp::hugeint * 4611686018427387904 + seq) * 2 + inside::int) & 1 = 1 as inside
  from event
  where person is not null and session is not null and id in (select id from active)
  group by id
)
select distinct person from first where inside and person not in (select person from known) order by person
