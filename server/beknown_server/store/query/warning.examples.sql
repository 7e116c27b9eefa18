select project_id, code, example from warning where project_id in (0, :project_id)
