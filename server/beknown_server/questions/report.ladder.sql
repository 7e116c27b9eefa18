-- Events by bucket and rung. 1: of a user. 2: an anonymous id that lasted over several sessions (or, without
-- sessions, over half an hour). 4: an id of a single event that has no session, or whose session holds several such
-- ids. 3: all other: an id within one session so far.
with one as (
  select id, any_value(person) as person, count(*) as events, min(session) as session, max(session) as another,
         max(timestamp) - min(timestamp) as lasted
  from event where timestamp >= $start and timestamp < $stop and person is not null
  group by id
), crowded as (
  select session from one where events = 1 and session is not null group by session having count(*) >= 3
), placed as (
  select o.id, case
    when k.person is not null then 1
    when o.session <> o.another or (o.session is null and o.lasted > 1800000) then 2
    when o.events = 1 and (o.session is null or c.session is not null) then 4
    else 3 end as rung
  from one o left join known k on k.person = o.person left join crowded c on c.session = o.session
)
select {bucket} as bucket, rung, count(*) as events
from event join placed on placed.id = event.id
where timestamp >= $start and timestamp < $stop
group by all
