-- What was written about a person's ids, each with the event that wrote it (null if it is not kept any more).
select w.kind, w.key, w.value, w.at, w.uuid, d.name as distinct_id, e.event
from distinct_id d
join property w on w.distinct_id = d.id
left join event e on e.project_id = d.project_id and e.uuid = case length(w.uuid) when 16 then w.uuid else substr(w.uuid, 3) end
where d.id = :key and d.person is null or d.person = :key
