select seq from forward where project_id = :project_id and collector = :collector and holder = :holder
