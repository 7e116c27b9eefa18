select id, x, y, uuid, final, withdrawn from fact where project_id = :project_id and id = :id
