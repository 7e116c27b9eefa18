-- Devices that one user alone used.
select count(*) from (
  select {device} as device from event join known on known.person = event.person
  where timestamp >= $start and timestamp < $stop and {device} is not null
  group by all having count(distinct event.person) = 1
)
