select distinct_id, kind, key, value, at, uuid from property where distinct_id in (:ids) order by distinct_id, key, kind
