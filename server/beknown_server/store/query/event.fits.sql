-- How many of the events that event.recent would give have no more than so many bytes of properties before them.
select count(*) as count from (
  select sum(size) over (order by {{:newest seq desc}} {{:oldest seq}}) - size as before_it from (
    select seq, length(properties) as size from event
    where project_id = :project_id
      {{:before and seq < :before}}
      {{:after and seq > :after}}
      {{:event and event = :event}}
    order by {{:newest seq desc}} {{:oldest seq}}
    limit :limit
  ) page
) weighed
where before_it < :most_bytes
