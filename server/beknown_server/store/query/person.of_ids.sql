select distinct person from distinct_id where id in (:ids) and person is not null
