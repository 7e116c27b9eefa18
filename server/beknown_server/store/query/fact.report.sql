-- What was said about identity in a time, and what became of it.
select kind, x, y, rule, at from fact
where project_id = :project_id and at >= :start and at < :stop and withdrawn is null
