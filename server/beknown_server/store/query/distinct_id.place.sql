update distinct_id set person = :person where id = :id
