insert into group_property (project_id, type, key, name, value, at, uuid)
values (:project_id, :type, :key, :name, :value, :at, :uuid)
on conflict (project_id, type, key, name) do update set value = excluded.value, at = excluded.at, uuid = excluded.uuid
where excluded.at > group_property.at or (excluded.at = group_property.at and excluded.uuid > group_property.uuid)
