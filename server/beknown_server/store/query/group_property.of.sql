select name, value, at, uuid from group_property where project_id = :project_id and type = :type and key = :key order by name
