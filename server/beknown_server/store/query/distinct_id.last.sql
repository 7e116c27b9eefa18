select coalesce(max(id), 0) as id from distinct_id
