select coalesce(sum(count), 0) as count from warning where project_id in (0, :project_id)
