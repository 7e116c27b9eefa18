select count(*) as events from event where distinct_id in (:ids)
