insert into forgotten (project_id, hash, at) values (:project_id, :hash, :at)
on conflict (project_id, hash) do update set at = case when excluded.at > forgotten.at then excluded.at else forgotten.at end
