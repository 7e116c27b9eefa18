select person from event
where timestamp >= $start and timestamp < $stop and ({gpc} = 'true' or {cookieless} = 'true')
