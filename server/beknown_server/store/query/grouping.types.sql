-- From one type to the next along the index: a project has few types and may have a million groups.
with recursive known(type) as (
  select min(type) from grouping where project_id = :project_id
  union all
  select (select min(type) from grouping where project_id = :project_id and type > known.type)
  from known where known.type is not null
)
select type from known where type is not null
