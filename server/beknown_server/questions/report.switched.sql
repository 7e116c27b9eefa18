select person from event
where timestamp >= $start and timestamp < $stop and event = $identify and {previous} = 'switched'
