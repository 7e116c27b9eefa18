-- Ids with their persons, the latest seen first, from a place on. Whether it is the latest of its person's ids, whoever
-- asks finds out: here each would be compared with all others.
select coalesce(d.person, d.id) as person, d.last_seen, d.id
from distinct_id d
where d.project_id = :project_id and d.personal = 1
  {{:before and d.last_seen <= :before and (d.last_seen < :before or d.id < :beside)}}
  {{:pattern and (lower(d.name) like :pattern escape '!' or exists (
      select 1 from property w
      where w.distinct_id in (select i.id from distinct_id i where i.person = d.person or i.id = d.id)
        and (w.key in ('email', 'name', 'username') and lower(w.value) like :pattern escape '!'
          or w.key = :key and lower(w.value) like :part escape '!'))
     or exists (select 1 from distinct_id i where i.person = d.person and lower(i.name) like :pattern escape '!'))}}
order by d.last_seen desc, d.id desc
limit :limit
