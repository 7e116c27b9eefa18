select id, rule from fact where project_id = :project_id and uuid = :uuid
