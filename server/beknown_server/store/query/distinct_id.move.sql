update distinct_id set person = :into where person = :person
