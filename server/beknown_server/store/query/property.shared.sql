-- What property.of_project gives, of those persons only of whom a text was written that was written of another too.
with written as materialized (
  select coalesce(d.person, d.id) as person, w.kind, w.key, w.value, w.at, w.uuid
  from distinct_id d
  join property w on w.distinct_id = d.id
  where d.project_id = :project_id and w.key in (:names)
)
select person, kind, key, value, at, uuid
from written
where person in (
  select w.person
  from written w
  join (
    select key, lower(replace(value, ' ', '')) as text
    from written
    group by key, lower(replace(value, ' ', ''))
    having min(person) < max(person)
  ) twice on twice.key = w.key and twice.text = lower(replace(w.value, ' ', ''))
)
