select id, name, write_key, options from project
where write_key = :key or id = (select project_id from former_key where write_key = :key and expires > :now)
