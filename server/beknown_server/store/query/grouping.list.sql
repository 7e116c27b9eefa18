select type, key, first_seen, last_seen from grouping
where project_id = :project_id {{:type and type = :type}} {{:key and key = :key}}
order by last_seen desc, type, key
limit :limit
