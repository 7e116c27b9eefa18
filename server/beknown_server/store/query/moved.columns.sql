-- Ids that changed after a given change, and who they are now; ``id`` is null for those that are deleted.
select m.id as change, m.distinct_id, d.id, case when d.personal = 1 then coalesce(d.person, d.id) end as person,
       d.first_seen
from moved m
left join distinct_id d on d.id = m.distinct_id
where m.project_id = :project_id and m.id > :after
order by m.id
limit :limit
