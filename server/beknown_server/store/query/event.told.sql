-- The events that told these facts.
select seq, distinct_id, properties from event
where project_id = :project_id and uuid in (:uuids)
