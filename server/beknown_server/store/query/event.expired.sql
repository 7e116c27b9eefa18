select seq, distinct_id from event
where project_id = :project_id and timestamp < :before
  {{:collector and seq <= coalesce(
      (select seq from forward where project_id = :project_id and collector = :collector), 0)}}
order by timestamp
limit :limit
