update forward set holder = :holder, until = :until
where project_id = :project_id and collector = :collector and (holder = :holder or until < :now)
