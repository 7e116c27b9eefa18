-- By what people paste: a distinct id, or the id of a person (also of one that has since become part of another).
select id, coalesce(person, id) as person from distinct_id
where project_id = :project_id {{:personal and personal = 1}} and (name = :name {{:uuid or uuid = :uuid}})
order by case when name = :name then 0 else 1 end
limit 1
