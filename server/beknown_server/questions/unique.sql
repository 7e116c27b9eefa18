select count(distinct person) from event
where timestamp >= $start and timestamp < $stop and ({match})
