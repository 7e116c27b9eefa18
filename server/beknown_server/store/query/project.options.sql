update project set options = :options where id = :project_id
