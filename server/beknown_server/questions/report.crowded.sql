-- Sessions that hold three or more ids of a single event each: a page that mints an id for every call.
with one as (
  select id, any_value(person) as person, any_value(session) as session
  from event where timestamp >= $start and timestamp < $stop and person is not null
  group by id having count(*) = 1 and count(session) = 1
)
select session, count(*), list(person)[:5] from one group by session having count(*) >= 3
