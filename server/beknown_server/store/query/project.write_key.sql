update project set write_key = :write_key where id = :project_id
