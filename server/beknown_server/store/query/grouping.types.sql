select distinct type from grouping where project_id = :project_id
