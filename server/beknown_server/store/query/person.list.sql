-- The latest seen first: each person stands where the latest of its ids stands.
select coalesce(d.person, d.id) as person, d.last_seen
from distinct_id d
where d.project_id = :project_id and d.personal = 1
  {{:before and d.last_seen < :before}}
  {{:pattern and (lower(d.name) like :pattern escape '!' or exists (
      select 1 from property w
      where w.distinct_id in (select i.id from distinct_id i where i.person = d.person or i.id = d.id)
        and (w.key in ('email', 'name', 'username') and lower(w.value) like :pattern escape '!'
          or w.key = :key and lower(w.value) like :part escape '!'))
     or exists (select 1 from distinct_id i where i.person = d.person and lower(i.name) like :pattern escape '!'))}}
  and not exists (
    select 1 from distinct_id o
    where o.person = d.person and o.personal = 1
      and (o.last_seen > d.last_seen or (o.last_seen = d.last_seen and o.id > d.id)))
order by d.last_seen desc, d.id desc
limit :limit
