select hash, at from forgotten where project_id = :project_id order by hash
