-- Those of $persons who had an event in the range.
select distinct person from event
where timestamp >= $start and timestamp < $stop and person in (select unnest($persons::bigint[]))
