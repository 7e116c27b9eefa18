delete from event where seq = :seq
