select coalesce(d.person, d.id) as person, w.kind, w.key, w.value, w.at, w.uuid
from distinct_id d
join property w on w.distinct_id = d.id
where d.project_id = :project_id and w.key in (:names)
