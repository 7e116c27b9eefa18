select hash from secret_key where project_id = :project_id and (expires is null or expires > :now)
