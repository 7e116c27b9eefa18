-- The properties' names of the newest events, the most frequent first, for a form that offers them.
select key, count(*) as number
from (select unnest(json_keys(properties)) as key from (select properties from event order by seq desc limit $newest))
group by key order by key like '$%', number desc, key limit $most
