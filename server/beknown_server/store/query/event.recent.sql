-- Of a person, along their ids: the +, for SQLite would read the project's events until it has found enough of them.
select e.seq, e.uuid, e.event, e.timestamp, e.micros, e.received, d.name as distinct_id, e.session_id, e.properties,
       coalesce(d.person, d.id) as person
from event e
join distinct_id d on d.id = e.distinct_id
where {{:person +}}e.project_id = :project_id
  {{:before and e.seq < :before}}
  {{:after and e.seq > :after}}
  {{:event and e.event = :event}}
  {{:uuids and e.seq in (select u.seq from event u where u.project_id = :project_id and u.uuid in (:uuids))}}
  {{:id and e.distinct_id = :id}}
  {{:person and e.distinct_id in (
      select i.id from distinct_id i where i.person = :person or (i.id = :person and i.person is null))}}
order by {{:newest e.seq desc}} {{:oldest e.seq}}
limit :limit
