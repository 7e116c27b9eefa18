select coalesce(max(seq), 0) as seq from event where project_id = :project_id
