select id, coalesce(person, id) as person, name, first_seen, last_seen, event_count, personal
from distinct_id
where (id in (:keys) and person is null) or person in (:keys)
order by first_seen, id
