-- What counting needs of the events that arrived after one, in order of arrival.
select seq, timestamp, event, distinct_id, session_id, properties from event
where project_id = :project_id and seq > :after
order by seq
limit :limit
