insert into fact (project_id, kind, x, y, at, uuid, rule, final)
values (:project_id, :kind, :x, :y, :at, :uuid, :rule, :final)
