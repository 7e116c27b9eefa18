select distinct_id, kind, value from property where distinct_id in (:ids) and key = '$'
