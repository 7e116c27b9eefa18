insert into secret_key (hash, project_id, created) values (:hash, :project_id, :now)
