update secret_key set expires = :expires where project_id = :project_id and (expires is null or expires > :expires)
