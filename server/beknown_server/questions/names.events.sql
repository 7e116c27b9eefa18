-- The names of events, the most frequent first, for a form that offers them.
select name, count(*) as number from event group by name order by number desc, name limit $most
