delete from distinct_id where id = :id
