-- The last change of some id after a given one (0: none), and whether one of them was a deletion.
select coalesce(max(m.id), 0) as change, coalesce(max(case when d.id is null then 1 else 0 end), 0) as gone
from moved m
left join distinct_id d on d.id = m.distinct_id
where m.project_id = :project_id and m.id > :after
