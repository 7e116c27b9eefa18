insert into warning (project_id, code, count, example, fix, first_seen, last_seen)
values (:project_id, :code, :count, :example, :fix, :first_seen, :last_seen)
on conflict (project_id, code) do update set
  count = warning.count + excluded.count, example = excluded.example, fix = excluded.fix,
  last_seen = excluded.last_seen
