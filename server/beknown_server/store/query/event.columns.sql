-- What counting needs of the events that arrived after one, in order of arrival; the first one, and no more than are
-- begun within so many characters of properties.
select seq, timestamp, event, distinct_id, session_id, properties from event
where project_id = :project_id and seq > :after and seq <= (
  select max(seq) from (
    select seq, sum(size) over (order by seq rows unbounded preceding) - size as before from (
      select seq, length(properties) as size from event
      where project_id = :project_id and seq > :after
      order by seq
      limit :limit
    ) page
  ) measured
  where before < :size
)
order by seq
