update forward set seq = :seq
where project_id = :project_id and collector = :collector and holder = :holder and seq < :seq
