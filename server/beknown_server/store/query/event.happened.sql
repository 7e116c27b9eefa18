select count(*) as events from event
where project_id = :project_id and timestamp >= :since and timestamp < :until
