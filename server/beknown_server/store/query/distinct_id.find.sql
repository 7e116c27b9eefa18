-- By what people paste: a distinct id, or the id of a person (also of one that has since become part of another). That one
-- first: nobody can make a person whose id is another's distinct id, but anybody an id that reads as a person's.
-- Two searches, each in its index: of an "or" within a project SQLite reads every id of the project.
select id, coalesce(person, id) as person, name from distinct_id
where id in (
  select id from distinct_id where project_id = :project_id and name = :name
  {{:uuid union all select id from distinct_id where uuid = :uuid and +project_id = :project_id}}
) {{:personal and personal = 1}}
{{:uuid order by case when uuid = :uuid then 0 else 1 end}}
limit 1
