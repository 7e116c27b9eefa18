-- Anonymous ids that never had a session and have one event each, and how many without a session there are; by library.
-- Whether an id lasts, its whole life says, not only the range.
with active as (
  select id from event
  where timestamp >= $start and timestamp < $stop and person not in (select person from known)
  group by id
  having count(session) = 0
), one as (
  select id, any_value(person) as person, count(*) as events, min(seq) as seq
  from event where id in (select id from active)
  group by id
  having count(session) = 0
)
select {library} as library, count(*) filter (where one.events = 1), count(*), list(one.person)[:5]
from one join event on event.seq = one.seq
group by library
