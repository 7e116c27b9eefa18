-- Of two writes the later one stays, of two first touches the earlier one: whatever the order of arrival.
insert into property (distinct_id, key, kind, value, at, uuid)
values (:distinct_id, :key, :kind, :value, :at, :uuid)
on conflict (distinct_id, key, kind) do update set value = excluded.value, at = excluded.at, uuid = excluded.uuid
where (excluded.kind = 'set' and (excluded.at > property.at or (excluded.at = property.at and excluded.uuid > property.uuid)))
   or (excluded.kind = 'once' and (excluded.at < property.at or (excluded.at = property.at and excluded.uuid < property.uuid)))
