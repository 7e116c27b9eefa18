insert into person (id, survivor, identified, size, latest_at, latest_uuid)
values (:id, :survivor, :identified, :size, :latest_at, :latest_uuid)
on conflict (id) do update set survivor = excluded.survivor, identified = excluded.identified, size = excluded.size,
  latest_at = excluded.latest_at, latest_uuid = excluded.latest_uuid
