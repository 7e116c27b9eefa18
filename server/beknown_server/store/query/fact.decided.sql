update fact set rule = :rule where project_id = :project_id and uuid = :uuid
