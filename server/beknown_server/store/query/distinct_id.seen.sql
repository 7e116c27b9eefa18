-- One row per id of a batch; ids that are only named (by an identify, say) come with a count of 0.
insert into distinct_id (project_id, name, uuid, first_seen, last_seen, event_count, personal)
values (:project_id, :name, :uuid, :first_seen, :last_seen, :event_count, :personal)
on conflict (project_id, name) do update set
  first_seen = case when excluded.first_seen < distinct_id.first_seen then excluded.first_seen else distinct_id.first_seen end,
  last_seen = case when excluded.last_seen > distinct_id.last_seen then excluded.last_seen else distinct_id.last_seen end,
  event_count = distinct_id.event_count + excluded.event_count,
  personal = case when excluded.personal > distinct_id.personal then excluded.personal else distinct_id.personal end
returning id, name
