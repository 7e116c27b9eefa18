delete from fact where project_id = :project_id and uuid = :uuid
