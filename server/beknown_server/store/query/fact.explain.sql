select f.id, x.name as x, y.name as y, f.uuid, f.rule, f.at, f.withdrawn
from fact f
join distinct_id x on x.id = f.x
join distinct_id y on y.id = f.y
where f.x in (:ids) or f.y in (:ids)
order by f.at, f.uuid
