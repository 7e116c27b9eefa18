select id, name, write_key, options from project order by id
