-- Ids without a session and with one event each, and how many ids without a session there are; by library.
with one as (
  select id, any_value(person) as person, count(*) as events, count(session) as sessions, any_value({library}) as library
  from event where timestamp >= $start and timestamp < $stop and person is not null
  group by id
)
select library, count(*) filter (where events = 1), count(*), list(person)[:5]
from one where sessions = 0 group by library
