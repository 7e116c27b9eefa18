insert into project (name, write_key, options, created) values (:name, :write_key, :options, :now)
