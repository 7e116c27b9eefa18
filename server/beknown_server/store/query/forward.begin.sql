insert into forward (project_id, collector, seq, holder, until)
select :project_id, :collector, coalesce(max(seq), 0), '', 0
from event
where project_id = :project_id and received < :since
on conflict do nothing
