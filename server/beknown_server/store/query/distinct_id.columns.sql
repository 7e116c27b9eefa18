-- Who the ids are that came after one, in order of arrival; nobody for ids that are about no person.
select id, case when personal = 1 then coalesce(person, id) end as person, first_seen from distinct_id
where project_id = :project_id and id > :after
order by id
limit :limit
