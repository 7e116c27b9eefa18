-- Events by bucket and rung. 1: of a user. 2: an anonymous id that lasted over several sessions (or, without
-- sessions, over half an hour). 4: an id of a single event that has no session, or whose session holds several such
-- ids. 3: all other: an id within one session so far. What an id is, its whole life says, not only the range.
with happened as (
  select e.id, {bucket} as bucket, k.person is not null as known
  from event e left join known k on k.person = e.person
  where timestamp >= $start and timestamp < $stop and e.person is not null
), one as (
  select id, count(*) as events, min(session) as session, max(session) as another,
         max(timestamp) - min(timestamp) as lasted
  from event where id in (select id from happened where not known)
  group by id
), crowded as (
  select session from one where events = 1 and session is not null group by session having count(*) >= 3
), placed as (
  select o.id, case
    when o.session <> o.another or (o.session is null and o.lasted > 1800000) then 2
    when o.events = 1 and (o.session is null or c.session is not null) then 4
    else 3 end as rung
  from one o left join crowded c on c.session = o.session
)
select bucket, coalesce(rung, 1) as rung, count(*) as events
from happened left join placed on placed.id = happened.id
group by all
