update warning set example = :example where project_id = :project_id and code = :code
