select count(*) as events,
       count(distinct case when d.personal = 1 then coalesce(d.person, d.id) end) as persons
from event e
join distinct_id d on d.id = e.distinct_id
where e.project_id = :project_id and e.timestamp >= :since
