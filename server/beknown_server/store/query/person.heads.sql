-- The surviving id of each cluster, by the cluster's number.
select k.id as person, s.name, s.uuid, coalesce(p.identified, 0) as identified
from distinct_id k
left join person p on p.id = k.id
join distinct_id s on s.id = coalesce(p.survivor, k.id)
where k.id in (:keys)
