update distinct_id set event_count = event_count - :count where id = :id
