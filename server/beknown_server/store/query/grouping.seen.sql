insert into grouping (project_id, type, key, first_seen, last_seen)
values (:project_id, :type, :key, :first_seen, :last_seen)
on conflict (project_id, type, key) do update set
  first_seen = case when excluded.first_seen < grouping.first_seen then excluded.first_seen else grouping.first_seen end,
  last_seen = case when excluded.last_seen > grouping.last_seen then excluded.last_seen else grouping.last_seen end
