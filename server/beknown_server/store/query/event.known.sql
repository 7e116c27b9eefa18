select uuid from event where project_id = :project_id and uuid in (:uuids)
