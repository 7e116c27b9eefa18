select seq, distinct_id from event where project_id = :project_id and timestamp < :before order by timestamp limit :limit
