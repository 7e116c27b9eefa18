-- Devices that several users used: the persons, the most sessions that any of them had there, an example of each.
select {device} as device, count(distinct event.person) as persons, list(distinct event.person) as examples,
       count(distinct session) as sessions
from event join known on known.person = event.person
where timestamp >= $start and timestamp < $stop and {device} is not null
group by all
having count(distinct event.person) >= 2
