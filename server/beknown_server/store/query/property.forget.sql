delete from property where distinct_id = :id
