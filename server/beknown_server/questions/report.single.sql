-- Ids without a session and with one event each, and how many ids without a session there are; by library.
with one as (
  select id, any_value(person) as person, count(*) as events, min(seq) as seq
  from event where timestamp >= $start and timestamp < $stop and person is not null
  group by id
  having count(session) = 0
)
select {library} as library, count(*) filter (where one.events = 1), count(*), list(one.person)[:5]
from one join event on event.seq = one.seq
group by library
