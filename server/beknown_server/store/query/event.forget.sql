delete from event where distinct_id = :id
