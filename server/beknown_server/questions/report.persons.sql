-- Persons of the range: users, the others, and how many ids each user who has more than one used.
with used as (
  select distinct id, person from event
  where timestamp >= $start and timestamp < $stop and person is not null
), active as (
  select person, count(*) as ids from used group by person
)
select count(k.person), count(*) - count(k.person),
       coalesce(avg(a.ids - 1) filter (where k.person is not null and a.ids > 1), 1)
from active a left join known k on k.person = a.person
