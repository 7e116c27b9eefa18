select id, name, first_seen, last_seen, personal from distinct_id
where project_id = :project_id and id > :after
order by id
limit :limit
