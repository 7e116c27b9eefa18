-- The names of events, the most frequent first, for a form that offers them.
select event, count(*) as number from event group by event order by number desc, event limit $most
