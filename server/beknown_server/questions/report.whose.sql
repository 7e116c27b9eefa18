select id, person from ids where id in (select unnest($ids::bigint[])) and person is not null
