select coalesce(max(id), 0) as id from moved where project_id = :project_id
