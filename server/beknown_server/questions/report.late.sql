-- Users who were known already, and did $events things or more under a fresh anonymous id before they were
-- identified again.
with claim as (
  select f.x, f.y, f.at, min(e.timestamp) as known_since
  from fact f join event e on e.id = f.y and e.timestamp < f.at
  where f.kind = 'claim' and f.rule in ('claim', 'already_linked')
  group by all
)
select any_value(e.person) as person, count(*) as events
from claim c join event e on e.id = c.x and e.timestamp < c.at
group by c.x, c.y, c.at, c.known_since
having count(*) >= $events and min(e.timestamp) > c.known_since
