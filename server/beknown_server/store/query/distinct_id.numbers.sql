select id, name from distinct_id where project_id = :project_id and name in (:names)
