select id, name, write_key, options from project where write_key = :key
