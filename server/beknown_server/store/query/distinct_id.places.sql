select id, person from distinct_id where id in (:ids)
