-- Devices that several users used: the users, some of them, and in how many sessions. Beside them (device null) how
-- many devices one user alone used.
with used as (
  select device, person, session from event
  where timestamp >= $start and timestamp < $stop and device is not null and person in (select person from known)
), each as (
  select device, count(distinct person) as persons, list(distinct person order by person)[:$some] as examples,
         count(distinct session) as sessions
  from used
  where device in (select device from used group by device having min(person) <> max(person))
  group by device
)
select device, persons, examples, sessions from each
union all
select null, count(distinct device), [], 0 from used where device not in (select device from each)
