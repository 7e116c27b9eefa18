-- What was written of the persons with numbers after one up to another. The + keeps SQLite from the index by project.
select coalesce(d.person, d.id) as person, w.kind, w.key, w.value, w.at, w.uuid
from distinct_id d
join property w on w.distinct_id = d.id
where d.person is null and d.id > :after and d.id <= :until and +d.project_id = :project_id and w.key in (:names)
union all
select d.person, w.kind, w.key, w.value, w.at, w.uuid
from distinct_id d
join property w on w.distinct_id = d.id
where d.person > :after and d.person <= :until and +d.project_id = :project_id and w.key in (:names)
