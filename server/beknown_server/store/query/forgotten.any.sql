select 1 from forgotten where project_id = :project_id limit 1
