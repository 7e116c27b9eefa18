select code, sum(count) as count, max(example) as example, max(fix) as fix, min(first_seen) as first_seen,
       max(last_seen) as last_seen
from warning
where project_id in (0, :project_id)
group by code
order by max(last_seen) desc
