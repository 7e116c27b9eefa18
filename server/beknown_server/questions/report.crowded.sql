-- Sessions that hold three or more anonymous ids of a single event each: a page that mints an id for every call. Only
-- of ids that look so in the range is asked whether they have no other event at all.
with active as (
  select id, any_value(session) as session
  from event where timestamp >= $start and timestamp < $stop and person not in (select person from known)
  group by id having count(*) = 1 and count(session) = 1
), likely as (
  select id from active where session in (select session from active group by session having count(*) >= 3)
), one as (
  select id, any_value(person) as person, any_value(session) as session
  from event where id in (select id from likely)
  group by id having count(*) = 1
)
select session, count(*), list(person)[:5] from one group by session having count(*) >= 3
