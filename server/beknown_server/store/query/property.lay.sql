-- The row of an id's properties that lie in layers: the whole of them, made with the project locked.
insert into property (distinct_id, key, kind, value, at, uuid)
values (:distinct_id, :key, :kind, :value, :at, :uuid)
on conflict (distinct_id, key, kind) do update set value = excluded.value, at = excluded.at, uuid = excluded.uuid
