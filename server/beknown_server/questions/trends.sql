-- One number per series (0 without a breakdown) and bucket.
select {series} as series, {bucket} as bucket, {measure} as number
from event
where timestamp >= $start and timestamp < $stop and ({match}){only}
group by all
