-- How an id's cluster stands: alone (no person row), or as its row says.
select d.id, coalesce(d.person, d.id) as person, p.survivor, p.identified, coalesce(p.size, 1) as size, p.latest_at, p.latest_uuid
from distinct_id d
left join person p on p.id = d.person
where d.id in (:ids)
