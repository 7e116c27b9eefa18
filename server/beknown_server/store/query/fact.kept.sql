-- Facts with the names of their ids: those of some events, or those that no stored event tells in full.
select f.id, f.uuid, f.kind, x.name as x, y.name as y, f.at, f.rule, f.final, f.withdrawn
from fact f
join distinct_id x on x.id = f.x
join distinct_id y on y.id = f.y
where f.project_id = :project_id and f.id > :after
  {{:uuids and f.uuid in (:uuids)}}
  {{:eventless and (f.withdrawn is not null or not exists (
      select 1 from event e where e.project_id = f.project_id and e.uuid = f.uuid))}}
order by f.id
limit :limit
