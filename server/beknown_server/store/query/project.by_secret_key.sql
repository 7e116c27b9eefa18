select p.id, p.name, p.write_key, p.options
from secret_key s
join project p on p.id = s.project_id
where s.hash = :hash and (s.expires is null or s.expires > :now)
