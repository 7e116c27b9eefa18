-- Asked id by id through the unique index. As "uuid in (...)" PostgreSQL, while it has no statistics of a new database,
-- reads all events of the project instead (350 us per event of a batch).
with given (uuid) as (values :uuids)
select uuid from given
where (select seq from event where event.project_id = :project_id and event.uuid = given.uuid) is not null
