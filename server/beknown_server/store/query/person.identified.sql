select distinct p.id from distinct_id d
join person p on p.id = d.person
where d.project_id = :project_id and p.identified = 1
