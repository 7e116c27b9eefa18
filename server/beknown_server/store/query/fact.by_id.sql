select id, x, y, final, withdrawn from fact where project_id = :project_id and id = :id
