insert into former_key (write_key, project_id, expires)
select write_key, id, :expires from project where id = :project_id
